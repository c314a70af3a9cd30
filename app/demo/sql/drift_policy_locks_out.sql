-- The policy after an edit that lost its first half: owners no longer see their own ticks. Run as postgres.
alter policy "Users read their own ticks, admins all" on public.strategy_tick_runs using (
  exists (
    select from public.user_profiles where id = (select auth.uid()) and role = 'admin'
  )
);
