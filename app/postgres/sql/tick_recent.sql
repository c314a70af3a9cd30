-- The ids of recent ticks, one after another in 16 bytes each, and the database's time: little to send, for it is read
-- again and again, because rows of one scheduled_at are written over a while. Ticks ahead of the clock are recent, too.
-- $1 the earliest time, but no more than a day ago, null for ten minutes ago; $2 most ids, of which the newest are given.
select
  pg_catalog.now() as as_of,
  coalesce(
    (
      select pg_catalog.string_agg(pg_catalog.uuid_send(recent.id), ''::bytea order by recent.scheduled_at, recent.id)
      from (
        select tick.scheduled_at, tick.id
        from :"schema".strategy_tick_runs as tick
        where tick.scheduled_at >= case
          when $1::timestamptz is null then pg_catalog.now() - interval '10 minutes'
          else greatest($1, pg_catalog.now() - interval '1 day')
        end
        order by tick.scheduled_at desc, tick.id desc
        limit $2
      ) as recent
    ),
    ''
  ) as ids
