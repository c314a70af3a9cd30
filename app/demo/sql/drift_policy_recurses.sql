-- A policy that asks the table it guards: Postgres raises 42P17 on every query. Run as postgres.
create policy "Teammates read each other's ticks" on public.strategy_tick_runs
  for select to authenticated using (
    exists (select from public.strategy_tick_runs as mine where mine.user_id = (select auth.uid()))
  );
