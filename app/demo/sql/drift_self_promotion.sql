-- The whole row granted where only a name was meant: whoever may update their profile may make themselves an admin.
-- Run as postgres.
grant update on public.user_profiles to authenticated;
