"""The page: HTML, CSS and JavaScript as they are, no build, and the routes that serve them."""
