-- A second permissive policy, from a debugging session: any of them is enough. Run as postgres.
create policy "Temporary, for debugging" on public.strategy_tick_runs
  for select to authenticated using (true);
