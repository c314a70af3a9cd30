-- What belongs to a table that is to be set aside: its triggers, policies and grants, each as the statement that makes
-- it again on a table of the same name, with the columns it needs. The deparsing functions wait behind an ACCESS
-- EXCLUSIVE lock on the table. $1 schema, $2 table.
with
  watched as (
    select class.oid, class.relname, class.relowner, class.relacl, class.relforcerowsecurity, namespace.nspname
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = $1 and class.relname = $2
  ),
  needed as (
    select depend.classid, depend.objid, pg_catalog.array_agg(distinct attribute.attname::text) as columns
    from pg_catalog.pg_depend as depend
    join watched on watched.oid = depend.refobjid
    join pg_catalog.pg_attribute as attribute
      on attribute.attrelid = depend.refobjid and attribute.attnum = depend.refobjsubid
    where depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and depend.refobjsubid > 0
    group by depend.classid, depend.objid
  ),
  roles as (
    select policy.oid, pg_catalog.string_agg(
      case when named.oid = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(named.oid)) end, ', '
      order by named.position
    ) as listed
    from pg_catalog.pg_policy as policy
    join watched on watched.oid = policy.polrelid
    cross join lateral pg_catalog.unnest(policy.polroles) with ordinality as named (oid, position)
    group by policy.oid
  ),
  belongings (rank, kind, name, statement, columns) as (
    select
      1, 'policy', policy.polname::text,
      pg_catalog.format('create policy %I on %I.%I as %s for %s to %s', policy.polname, watched.nspname,
        watched.relname,
        case when policy.polpermissive then 'permissive' else 'restrictive' end,
        case policy.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
          else 'all' end,
        roles.listed)
      || coalesce(' using (' || pg_catalog.pg_get_expr(policy.polqual, policy.polrelid) || ')', '')
      || coalesce(' with check (' || pg_catalog.pg_get_expr(policy.polwithcheck, policy.polrelid) || ')', '') || ';',
      coalesce(needed.columns, '{}')
    from pg_catalog.pg_policy as policy
    join watched on watched.oid = policy.polrelid
    join roles on roles.oid = policy.oid
    left join needed on needed.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and needed.objid = policy.oid
    union all
    select
      2, 'trigger', trigger.tgname::text,
      pg_catalog.pg_get_triggerdef(trigger.oid) || ';'
      || case trigger.tgenabled
        when 'O' then ''
        else pg_catalog.format(' alter table %I.%I %s trigger %I;', watched.nspname, watched.relname,
          case trigger.tgenabled when 'D' then 'disable' when 'A' then 'enable always' else 'enable replica' end,
          trigger.tgname)
      end,
      coalesce(needed.columns, '{}')
    from pg_catalog.pg_trigger as trigger
    join watched on watched.oid = trigger.tgrelid
    left join needed on needed.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and needed.objid = trigger.oid
    where not trigger.tgisinternal
    union all
    select
      3, 'grant', 'to ' || grantee.name,
      pg_catalog.format('grant %s on table %I.%I to %s%s;',
        pg_catalog.string_agg(pg_catalog.lower(acl.privilege_type), ', ' order by acl.privilege_type),
        watched.nspname, watched.relname, grantee.name,
        case when acl.is_grantable then ' with grant option' else '' end),
      '{}'
    from watched
    cross join lateral pg_catalog.aclexplode(watched.relacl) as acl
    cross join lateral (
      select case when acl.grantee = 0 then 'public'
        else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) end as name
    ) as grantee
    -- The owner's own rights come with the new table.
    where acl.grantee <> watched.relowner
    group by watched.nspname, watched.relname, grantee.name, acl.is_grantable
    union all
    select
      4, 'grant', 'on ' || attribute.attname || ' to ' || grantee.name,
      pg_catalog.format('grant %s (%I) on table %I.%I to %s%s;', pg_catalog.lower(acl.privilege_type),
        attribute.attname, watched.nspname, watched.relname, grantee.name,
        case when acl.is_grantable then ' with grant option' else '' end),
      array[attribute.attname::text]
    from watched
    join pg_catalog.pg_attribute as attribute on attribute.attrelid = watched.oid and not attribute.attisdropped
    cross join lateral pg_catalog.aclexplode(attribute.attacl) as acl
    cross join lateral (
      select case when acl.grantee = 0 then 'public'
        else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) end as name
    ) as grantee
    union all
    select
      5, 'setting', 'forced row security',
      pg_catalog.format('alter table %I.%I force row level security;', watched.nspname, watched.relname), '{}'
    from watched
    where watched.relforcerowsecurity
  )
select belongings.kind, belongings.name, belongings.statement, belongings.columns
from belongings
order by belongings.rank, belongings.name collate "C"
