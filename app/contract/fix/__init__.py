"""The fix: a plan of statements with their hazards, from the checks that failed to the text of a migration."""
