-- A place to come back to after an error, which otherwise ends the whole transaction.
savepoint before_the_error
