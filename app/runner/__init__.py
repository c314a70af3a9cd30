"""Whether the runner ticks as it should: pure decisions over what was read. `asOf` is always passed in."""
