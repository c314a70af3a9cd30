-- Whether a function that ran has changed the role.
select current_user::text
