-- The database answers.
select 1
