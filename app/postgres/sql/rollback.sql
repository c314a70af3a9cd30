-- The end of a transaction in which something failed: of what was set for the session meanwhile, nothing stays.
rollback
