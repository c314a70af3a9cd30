"""Reports as JSON and as text. Pure: a report in, bytes or lines out."""
