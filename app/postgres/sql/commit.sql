-- The end of a transaction in which nothing was written.
commit
