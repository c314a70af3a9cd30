-- Back to before the error. The savepoint stays for the next one.
rollback to savepoint before_the_error
