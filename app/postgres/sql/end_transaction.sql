-- The end of a transaction in which nothing was written. After an error it is a rollback, by this name too.
commit
