-- Everything of the catalogue that the checks compare, as the text of one jsonb document: two readings are equal
-- exactly when their texts are.
-- $1 schema, $2 names of the tables (text[]), $3 reading role, null to stay as logged in, $4 the roles that callers
-- of the platform's API have (text[]).
--
-- Nothing here waits for a lock on a table. pg_get_expr, pg_get_constraintdef and pg_get_indexdef would wait behind
-- another session's ACCESS EXCLUSIVE lock, and one locked table would hide all the others.
with recursive
  login as (
    select roles.oid, roles.rolname, roles.rolsuper, roles.rolbypassrls
    from pg_catalog.pg_roles as roles
    where roles.rolname = session_user
  ),
  reader as (
    select roles.oid, roles.rolname, roles.rolsuper, roles.rolbypassrls
    from pg_catalog.pg_roles as roles
    where roles.rolname = coalesce($3, session_user)
  ),
  callers as (
    select roles.oid, roles.rolname, roles.rolsuper or roles.rolbypassrls as bypasses
    from pg_catalog.pg_roles as roles
    where roles.rolname = any ($4)
  ),
  watched as (
    select
      class.oid, class.relname, class.relkind, class.relispartition, class.relrowsecurity, class.relforcerowsecurity,
      class.relnamespace, class.relowner, class.xmin::text as row_version
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = $1
      and class.relname = any ($2)
      -- What a query can read from. Indexes, sequences and composite types share the name space and are none of these.
      and class.relkind in ('r', 'p', 'v', 'm', 'f')
  ),
  attributes as (
    select
      attribute.attrelid, attribute.attnum, attribute.attname, attribute.attnotnull,
      attribute.atttypid, attribute.atttypmod, attribute.xmin::text as row_version
    from pg_catalog.pg_attribute as attribute
    join watched on watched.oid = attribute.attrelid
    where attribute.attnum > 0
      -- A dropped column leaves its row behind, under another name and without a type.
      and not attribute.attisdropped
  ),
  -- From each column's type down through domains over domains to the base type.
  type_chain as (
    select
      attributes.attrelid, attributes.attnum, type.oid, type.typtype, type.typbasetype, type.typnotnull,
      type.xmin::text as row_version
    from attributes
    join pg_catalog.pg_type as type on type.oid = attributes.atttypid
    union all
    select
      outer_type.attrelid, outer_type.attnum, type.oid, type.typtype, type.typbasetype,
      outer_type.typnotnull or type.typnotnull, type.xmin::text
    from type_chain as outer_type
    join pg_catalog.pg_type as type on type.oid = outer_type.typbasetype
    where outer_type.typtype = 'd'
  ),
  constraints as (
    select
      con.oid, con.conrelid, con.conname, con.contype, con.conkey, con.confrelid, con.confkey, con.convalidated,
      -- Since Postgres 18; before it every constraint is enforced, and the row has no such column.
      coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true) as enforced,
      con.conindid, con.xmin::text as row_version
    from pg_catalog.pg_constraint as con
    join watched on watched.oid = con.conrelid
    -- A key that points at a partitioned table has a copy for each of its partitions, which is not a key of its own.
    -- On a partition, the key inherited from the parent is all there is.
    where con.conparentid = 0 or watched.relispartition
  ),
  -- A key of a partitioned table, or one that points at one, is enforced by copies of it on the partitions.
  constraint_copies as (
    select constraints.oid as original, constraints.oid
    from constraints
    union all
    select constraint_copies.original, con.oid
    from constraint_copies
    join pg_catalog.pg_constraint as con on con.conparentid = constraint_copies.oid
  ),
  -- The partitioned tables among a table's partitions: its primary key must hold their partition keys, too.
  partitioned as (
    select watched.oid as root, watched.oid
    from watched
    where watched.relkind = 'p'
    union all
    select partitioned.root, child.oid
    from partitioned
    join pg_catalog.pg_inherits as inherits on inherits.inhparent = partitioned.oid
    join pg_catalog.pg_class as child on child.oid = inherits.inhrelid and child.relkind = 'p'
  ),
  -- By which other names rows of a table are read: those of its partitions and of what inherits from it, at any depth,
  -- and of what it is a part of itself. Always in one direction: what has a parent in common is no relative.
  steps as (
    select inherits.inhparent as origin, inherits.inhrelid as next, true as downwards
    from pg_catalog.pg_inherits as inherits
    union all
    select inherits.inhrelid, inherits.inhparent, false
    from pg_catalog.pg_inherits as inherits
  ),
  relatives as (
    select watched.oid as root, steps.next as oid, steps.downwards
    from watched
    join steps on steps.origin = watched.oid
    union
    select relatives.root, steps.next, steps.downwards
    from relatives
    join steps on steps.origin = relatives.oid and steps.downwards = relatives.downwards
  ),
  column_documents as (
    select
      attributes.attrelid,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'name', attributes.attname,
          'type', pg_catalog.jsonb_build_object(
            'schema', namespace.nspname,
            'name', base.typname,
            'display', pg_catalog.format_type(attributes.atttypid, attributes.atttypmod)
          ),
          'not_null', attributes.attnotnull or type_chain.typnotnull,
          'not_null_validated', type_chain.typnotnull or not exists (
            select from constraints
            where constraints.conrelid = attributes.attrelid
              and constraints.contype = 'n'
              and constraints.conkey = array[attributes.attnum]
              and not constraints.convalidated
          ),
          'checked', exists (
            select from constraints
            where constraints.conrelid = attributes.attrelid
              and constraints.contype = 'c'
              and constraints.conkey = array[attributes.attnum]
              and constraints.enforced
          ),
          'checks_validated', not exists (
            select from constraints
            where constraints.conrelid = attributes.attrelid
              and constraints.contype = 'c'
              and constraints.conkey = array[attributes.attnum]
              and constraints.enforced
              and not constraints.convalidated
          )
        )
        order by attributes.attname collate "C"
      ) as document
    from attributes
    join type_chain on type_chain.attrelid = attributes.attrelid and type_chain.attnum = attributes.attnum
    join pg_catalog.pg_type as base on base.oid = type_chain.oid
    join pg_catalog.pg_namespace as namespace on namespace.oid = base.typnamespace
    -- The end of each chain.
    where type_chain.typtype <> 'd'
    group by attributes.attrelid
  ),
  key_documents as (
    select
      constraints.conrelid,
      pg_catalog.jsonb_agg(keyed.columns) filter (
        where constraints.contype = 'p' and (
          -- On a partitioned table, ON ONLY makes a key that no partition enforces; its index is not valid.
          select index.indisvalid from pg_catalog.pg_index as index where index.indexrelid = constraints.conindid
        )
      ) -> 0 as primary_key,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'columns', keyed.columns,
          'referenced_schema', target_namespace.nspname,
          'referenced_table', target.relname,
          'referenced_columns', keyed.referenced_columns,
          'validated', constraints.convalidated,
          'enforced', constraints.enforced and not exists (
            select
            from constraint_copies
            join pg_catalog.pg_trigger as trigger on trigger.tgconstraint = constraint_copies.oid
            where constraint_copies.original = constraints.oid
              -- Disabled, or fired only while replicating.
              and trigger.tgenabled in ('D', 'R')
          )
        )
        order by constraints.conname collate "C"
      ) filter (where constraints.contype = 'f' and target.oid is not null) as foreign_keys
    from constraints
    cross join lateral (
      select
        pg_catalog.jsonb_agg(attribute.attname order by key.position) as columns,
        pg_catalog.jsonb_agg(referenced.attname order by key.position)
          filter (where referenced.attname is not null) as referenced_columns
      from rows from (
        pg_catalog.unnest(constraints.conkey), pg_catalog.unnest(constraints.confkey)
      ) with ordinality as key (number, referenced_number, position)
      join pg_catalog.pg_attribute as attribute
        on attribute.attrelid = constraints.conrelid and attribute.attnum = key.number
      left join pg_catalog.pg_attribute as referenced
        on referenced.attrelid = constraints.confrelid and referenced.attnum = key.referenced_number
    ) as keyed
    left join pg_catalog.pg_class as target on target.oid = constraints.confrelid
    left join pg_catalog.pg_namespace as target_namespace on target_namespace.oid = target.relnamespace
    where constraints.contype in ('p', 'f')
    group by constraints.conrelid
  ),
  index_documents as (
    select
      index.indrelid,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'name', class.relname,
          'leading_column', attribute.attname,
          'method', method.amname,
          'valid', index.indisvalid and index.indisready and index.indislive,
          'partial', index.indpred is not null
        )
        order by class.relname collate "C"
      ) as document
    from pg_catalog.pg_index as index
    join watched on watched.oid = index.indrelid
    join pg_catalog.pg_class as class on class.oid = index.indexrelid
    join pg_catalog.pg_am as method on method.oid = class.relam
    -- Where the first key is an expression, its number is 0 and no attribute answers to it.
    left join pg_catalog.pg_attribute as attribute
      on attribute.attrelid = index.indrelid and attribute.attnum = index.indkey[0]
    group by index.indrelid
  ),
  partition_documents as (
    select
      partitioned.root,
      pg_catalog.jsonb_agg(distinct attribute.attname order by attribute.attname) as document
    from partitioned
    join pg_catalog.pg_partitioned_table as strategy on strategy.partrelid = partitioned.oid
    join pg_catalog.pg_attribute as attribute
      on attribute.attrelid = partitioned.oid
      and attribute.attnum = any (strategy.partattrs::smallint[])
    group by partitioned.root
  ),
  privileges as (
    select watched.oid, grantee.oid as grantee, privilege.name
    from watched
    cross join (select reader.oid from reader union select callers.oid from callers) as grantee
    cross join (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) as privilege (name)
    where pg_catalog.has_table_privilege(grantee.oid, watched.oid, privilege.name)
      -- A grant on every single column allows as much. There is no DELETE on columns, and asking for it is an error.
      or case
        when privilege.name <> 'DELETE' then (
          select pg_catalog.bool_and(
            pg_catalog.has_column_privilege(grantee.oid, watched.oid, attributes.attnum, privilege.name)
          )
          from attributes
          where attributes.attrelid = watched.oid
        )
        else false
      end
  ),
  privilege_documents as (
    select privileges.oid, pg_catalog.jsonb_agg(privileges.name order by privileges.name) as document
    from privileges
    join reader on reader.oid = privileges.grantee
    group by privileges.oid
  ),
  grant_documents as (
    select
      watched.oid,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'role', callers.rolname,
          'privileges', coalesce(
            (
              select pg_catalog.jsonb_agg(privileges.name order by privileges.name)
              from privileges
              where privileges.oid = watched.oid and privileges.grantee = callers.oid
            ),
            '[]'
          ),
          'selectable', by_column.selectable,
          'insertable', by_column.insertable,
          'updatable', by_column.updatable,
          -- As Postgres decides it: an owner, and who has an owner's privileges, is above policies that are not forced.
          'bypasses_row_security', callers.bypasses or (
            not watched.relforcerowsecurity and pg_catalog.pg_has_role(callers.oid, watched.relowner, 'USAGE')
          )
        )
        order by callers.rolname collate "C"
      ) as document
    from watched
    cross join callers
    cross join lateral (
      select
        coalesce(
          pg_catalog.jsonb_agg(attributes.attname order by attributes.attname collate "C") filter (
            -- A grant on a table in a schema that one may not look into is worth nothing.
            where pg_catalog.has_schema_privilege(callers.oid, watched.relnamespace, 'USAGE')
              and pg_catalog.has_column_privilege(callers.oid, watched.oid, attributes.attnum, 'SELECT')
          ),
          '[]'
        ) as selectable,
        coalesce(
          pg_catalog.jsonb_agg(attributes.attname order by attributes.attname collate "C") filter (
            where pg_catalog.has_column_privilege(callers.oid, watched.oid, attributes.attnum, 'INSERT')
          ),
          '[]'
        ) as insertable,
        coalesce(
          pg_catalog.jsonb_agg(attributes.attname order by attributes.attname collate "C") filter (
            where pg_catalog.has_column_privilege(callers.oid, watched.oid, attributes.attnum, 'UPDATE')
          ),
          '[]'
        ) as updatable
      from attributes
      where attributes.attrelid = watched.oid
    ) as by_column
    group by watched.oid
  ),
  -- A query that names one of them asks for rights on it alone, and only its own policies count; as Postgres decides it,
  -- those are not asked for an owner, and who has an owner's privileges, unless they are forced.
  readable_relatives as (
    select
      relatives.root, class.oid, class.relname, class.relkind, namespace.nspname, callers.oid as caller,
      callers.rolname,
      class.relrowsecurity and not callers.bypasses and (
        class.relforcerowsecurity or not pg_catalog.pg_has_role(callers.oid, class.relowner, 'USAGE')
      ) as secured
    from relatives
    join pg_catalog.pg_class as class on class.oid = relatives.oid
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    cross join callers
    where pg_catalog.has_schema_privilege(callers.oid, namespace.oid, 'USAGE')
      and pg_catalog.has_any_column_privilege(callers.oid, class.oid, 'SELECT')
  ),
  detour_documents as (
    select
      readable.root,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'role', readable.rolname, 'schema', readable.nspname, 'name', readable.relname, 'kind', readable.relkind,
          'row_security', readable.secured
        )
        order by readable.nspname collate "C", readable.relname collate "C", readable.rolname collate "C"
      ) as document
    from readable_relatives as readable
    -- Under row security without a permissive policy, nothing is shown.
    where not readable.secured or exists (
      select
      from pg_catalog.pg_policy as policy
      cross join pg_catalog.unnest(policy.polroles) as named (oid)
      where policy.polrelid = readable.oid and policy.polpermissive and policy.polcmd in ('r', '*')
        and case when named.oid = 0 then true else pg_catalog.pg_has_role(readable.caller, named.oid, 'USAGE') end
    )
    group by readable.root
  ),
  policy_documents as (
    select
      policy.polrelid,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'name', policy.polname,
          'permissive', policy.polpermissive,
          'command', policy.polcmd,
          'applies_to', coalesce(
            (
              select pg_catalog.jsonb_agg(callers.rolname order by callers.rolname collate "C")
              from callers
              -- As Postgres decides it: the role itself, one whose privileges it has, or 0 for PUBLIC.
              where exists (
                select
                from pg_catalog.unnest(policy.polroles) as named (oid)
                where case
                  when named.oid = 0 then true
                  else pg_catalog.pg_has_role(callers.oid, named.oid, 'USAGE')
                end
              )
            ),
            '[]'
          ),
          -- Those its conditions name; a whole-row reference names none.
          'columns', coalesce(
            (
              select pg_catalog.jsonb_agg(distinct attributes.attname order by attributes.attname)
              from pg_catalog.pg_depend as dependency
              join attributes
                on attributes.attrelid = policy.polrelid and attributes.attnum = dependency.refobjsubid
              where dependency.classid = 'pg_catalog.pg_policy'::regclass
                and dependency.objid = policy.oid
                and dependency.refclassid = 'pg_catalog.pg_class'::regclass
                and dependency.refobjid = policy.polrelid
            ),
            '[]'
          )
        )
        order by policy.polname collate "C"
      ) as document
    from pg_catalog.pg_policy as policy
    join watched on watched.oid = policy.polrelid
    group by policy.polrelid
  ),
  trigger_documents as (
    select
      trigger.tgrelid,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'name', trigger.tgname,
          'commands', command.letters,
          'columns', (
            select coalesce(pg_catalog.jsonb_agg(attributes.attname order by attributes.attname), '[]')
            from attributes
            where attributes.attrelid = trigger.tgrelid and attributes.attnum = any (trigger.tgattr::smallint[])
          )
        )
        order by trigger.tgname collate "C"
      ) as document
    from pg_catalog.pg_trigger as trigger
    join watched on watched.oid = trigger.tgrelid
    -- Of tgtype: 4 is insert, 16 is update.
    cross join lateral (
      select pg_catalog.jsonb_agg(command.letter order by command.letter) as letters
      from (values ('a', 4), ('w', 16)) as command (letter, bit)
      where trigger.tgtype & command.bit <> 0
    ) as command
    -- Whatever it fires before or after, for a row or a statement: what raises stops the whole of it.
    where not trigger.tgisinternal
      and command.letters is not null
      -- Disabled, or fired only while replicating.
      and trigger.tgenabled not in ('D', 'R')
    group by trigger.tgrelid
  ),
  -- Which version of each row was read. A change that is undone between two readings leaves the rest equal, not these.
  row_versions as (
    select 'class ' || watched.oid || ' ' || watched.row_version as version from watched
    union all
    select 'relative ' || relatives.root || ' ' || class.oid || ' ' || class.xmin::text
    from relatives
    join pg_catalog.pg_class as class on class.oid = relatives.oid
    union all
    select 'policy of a relative ' || policy.oid || ' ' || policy.xmin::text
    from pg_catalog.pg_policy as policy
    join relatives on relatives.oid = policy.polrelid
    union all
    select 'attribute ' || attributes.attrelid || ' ' || attributes.attnum || ' ' || attributes.row_version
    from attributes
    union all
    select 'type ' || type_chain.oid || ' ' || type_chain.row_version from type_chain
    union all
    select 'constraint ' || constraints.oid || ' ' || constraints.row_version from constraints
    union all
    select 'index ' || index.indexrelid || ' ' || index.xmin::text
    from pg_catalog.pg_index as index
    join watched on watched.oid = index.indrelid
    union all
    select 'policy ' || policy.oid || ' ' || policy.xmin::text
    from pg_catalog.pg_policy as policy
    join watched on watched.oid = policy.polrelid
    union all
    select 'trigger ' || trigger.oid || ' ' || trigger.xmin::text
    from pg_catalog.pg_trigger as trigger
    join watched on watched.oid = trigger.tgrelid
  )
select pg_catalog.jsonb_build_object(
  'server_version', pg_catalog.current_setting('server_version'),
  'row_versions', (
    select pg_catalog.md5(pg_catalog.string_agg(row_versions.version, ',' order by row_versions.version collate "C"))
    from row_versions
  ),
  'login', (
    select pg_catalog.jsonb_build_object(
      'name', login.rolname,
      'superuser', login.rolsuper,
      'bypasses_row_security', login.rolbypassrls or login.rolsuper
    )
    from login
  ),
  'reading_role', (
    select pg_catalog.jsonb_build_object(
      'name', reader.rolname,
      'superuser', reader.rolsuper,
      'bypasses_row_security', reader.rolbypassrls or reader.rolsuper
    )
    from reader
  ),
  'schema', (
    select pg_catalog.jsonb_build_object(
      'name', namespace.nspname,
      'usage', coalesce(
        (select pg_catalog.has_schema_privilege(reader.oid, namespace.oid, 'USAGE') from reader), false
      )
    )
    from pg_catalog.pg_namespace as namespace
    where namespace.nspname = $1
  ),
  'callers', coalesce((select pg_catalog.jsonb_agg(callers.rolname order by callers.rolname) from callers), '[]'),
  'history_kind', (
    select class.relkind
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = 'supabase_migrations' and class.relname = 'schema_migrations'
  ),
  'relations', coalesce(
    (
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'name', watched.relname,
          'kind', watched.relkind,
          'row_security', watched.relrowsecurity,
          'partition_key', coalesce(partition_documents.document, '[]'),
          'columns', coalesce(column_documents.document, '[]'),
          'primary_key', coalesce(key_documents.primary_key, '[]'),
          'foreign_keys', coalesce(key_documents.foreign_keys, '[]'),
          'indexes', coalesce(index_documents.document, '[]'),
          'privileges', coalesce(privilege_documents.document, '[]'),
          'grants', coalesce(grant_documents.document, '[]'),
          'policies', coalesce(policy_documents.document, '[]'),
          'detours', coalesce(detour_documents.document, '[]'),
          'guards', coalesce(trigger_documents.document, '[]')
        )
        order by watched.relname collate "C"
      )
      from watched
      left join column_documents on column_documents.attrelid = watched.oid
      left join key_documents on key_documents.conrelid = watched.oid
      left join index_documents on index_documents.indrelid = watched.oid
      left join partition_documents on partition_documents.root = watched.oid
      left join privilege_documents on privilege_documents.oid = watched.oid
      left join grant_documents on grant_documents.oid = watched.oid
      left join policy_documents on policy_documents.polrelid = watched.oid
      left join detour_documents on detour_documents.root = watched.oid
      left join trigger_documents on trigger_documents.tgrelid = watched.oid
    ),
    '[]'
  )
)::text
