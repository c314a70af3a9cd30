-- What surrounds the tables that a fix is about, as one jsonb document; see app/contract/surroundings.py.
-- $1 schema, $2 names of the tables (text[]), $3 words to look for in functions (text[]).
with recursive
  watched as (
    select class.oid, class.relname, class.relispartition, class.relnamespace
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where namespace.nspname = $1
      and class.relname = any ($2)
      and class.relkind in ('r', 'p')
  ),
  -- Objects that would stop a column from changing its type, or go on using the old name of a column or table.
  dependents as (
    select distinct
      depend.refobjid as relation, depend.refobjsubid as number,
      case
        when rewrite.oid is not null and view.relkind = 'm' then 'materialized view '
        when rewrite.oid is not null then 'view '
        when policy.oid is not null then 'policy '
        when trigger.oid is not null then 'trigger '
        when proc.oid is not null then 'function '
        when own_column.attnum is not null then 'generated column '
        when publication.oid is not null then 'publication '
      end
      || coalesce(
        view_namespace.nspname || '.' || view.relname,
        policy.polname::text,
        trigger.tgname::text,
        proc_namespace.nspname || '.' || proc.proname,
        own_column.attname::text,
        publication.pubname::text
      ) as description
    from pg_catalog.pg_depend as depend
    join watched on watched.oid = depend.refobjid
    left join pg_catalog.pg_rewrite as rewrite
      on depend.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and rewrite.oid = depend.objid
    left join pg_catalog.pg_class as view on view.oid = rewrite.ev_class
    left join pg_catalog.pg_namespace as view_namespace on view_namespace.oid = view.relnamespace
    left join pg_catalog.pg_policy as policy
      on depend.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and policy.oid = depend.objid
    left join pg_catalog.pg_trigger as trigger
      on depend.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and trigger.oid = depend.objid
      and not trigger.tgisinternal
    left join pg_catalog.pg_proc as proc
      on depend.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and proc.oid = depend.objid
    left join pg_catalog.pg_namespace as proc_namespace on proc_namespace.oid = proc.pronamespace
    -- The expression of a generated column; a default depends on no column but its own.
    left join pg_catalog.pg_attrdef as attrdef
      on depend.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and attrdef.oid = depend.objid
      and attrdef.adnum <> depend.refobjsubid
    left join pg_catalog.pg_attribute as own_column
      on own_column.attrelid = attrdef.adrelid and own_column.attnum = attrdef.adnum
    -- A publication's list of columns, or its condition on rows.
    left join pg_catalog.pg_publication_rel as published
      on depend.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass and published.oid = depend.objid
    left join pg_catalog.pg_publication as publication on publication.oid = published.prpubid
    where depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      -- A table's own policies and triggers depend on it as a whole; only what uses a column is of interest there.
      and (depend.refobjsubid > 0 or rewrite.oid is not null or proc.oid is not null)
      and coalesce(rewrite.oid, policy.oid, trigger.oid, proc.oid, attrdef.oid, publication.oid) is not null
      -- A view that is gone under its own rule, in the moment of a drop.
      and (rewrite.oid is null or view.oid is not null)
  ),
  attribute_documents as (
    select
      attribute.attrelid,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'name', attribute.attname,
          'type', pg_catalog.jsonb_build_array(type_namespace.nspname, type.typname),
          'required', attribute.attnotnull,
          'domain', type.typtype = 'd',
          'computed', attribute.attidentity <> '' or attribute.attgenerated <> '',
          'dependents', coalesce(
            (
              select pg_catalog.jsonb_agg(dependents.description order by dependents.description collate "C")
              from dependents
              where dependents.relation = attribute.attrelid and dependents.number = attribute.attnum
            ),
            '[]'
          )
        )
        order by attribute.attname collate "C"
      ) as document
    from pg_catalog.pg_attribute as attribute
    join watched on watched.oid = attribute.attrelid
    join pg_catalog.pg_type as type on type.oid = attribute.atttypid
    join pg_catalog.pg_namespace as type_namespace on type_namespace.oid = type.typnamespace
    where attribute.attnum > 0 and not attribute.attisdropped
    group by attribute.attrelid
  ),
  constraint_documents as (
    select
      con.conrelid,
      pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'name', con.conname,
          'kind', con.contype,
          'validated', con.convalidated,
          'columns', coalesce(
            (
              select pg_catalog.jsonb_agg(attribute.attname order by key.position)
              from pg_catalog.unnest(con.conkey) with ordinality as key (number, position)
              join pg_catalog.pg_attribute as attribute
                on attribute.attrelid = con.conrelid and attribute.attnum = key.number
            ),
            '[]'
          )
        )
        order by con.conname collate "C"
      ) as document
    from pg_catalog.pg_constraint as con
    join watched on watched.oid = con.conrelid
    group by con.conrelid
  ),
  unique_documents as (
    select keyed.indrelid, pg_catalog.jsonb_agg(keyed.columns order by keyed.columns) as document
    from (
      select
        index.indrelid,
        (
          select pg_catalog.jsonb_agg(attribute.attname order by key.position)
          -- What INCLUDE adds is in indkey, too, behind the key columns.
          from pg_catalog.unnest(index.indkey::smallint[]) with ordinality as key (number, position)
          join pg_catalog.pg_attribute as attribute
            on attribute.attrelid = index.indrelid and attribute.attnum = key.number
          where key.position <= index.indnkeyatts
        ) as columns
      from pg_catalog.pg_index as index
      join watched on watched.oid = index.indrelid
      -- What a foreign key accepts as its target: no deferrable, partial, invalid or expression index.
      where index.indisunique and index.indimmediate and index.indisvalid
        and index.indpred is null and index.indexprs is null
    ) as keyed
    group by keyed.indrelid
  ),
  reference_documents as (
    select
      con.confrelid,
      pg_catalog.jsonb_agg(
        namespace.nspname || '.' || class.relname || ' (' || con.conname || ')'
        order by namespace.nspname collate "C", class.relname collate "C", con.conname collate "C"
      ) as document
    from pg_catalog.pg_constraint as con
    join watched on watched.oid = con.confrelid
    join pg_catalog.pg_class as class on class.oid = con.conrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where con.contype = 'f' and con.conparentid = 0
    group by con.confrelid
  ),
  left_behind as (
    select index.indrelid as relation, 'index ' || class.relname as description
    from pg_catalog.pg_index as index
    join pg_catalog.pg_class as class on class.oid = index.indexrelid
    where not exists (select from pg_catalog.pg_constraint as con where con.conindid = index.indexrelid)
    union all
    -- A table has no rule of this name, which is that of a view's query.
    select rewrite.ev_class, 'rule ' || rewrite.rulename
    from pg_catalog.pg_rewrite as rewrite
    where rewrite.rulename <> '_RETURN'
    union all
    select published.prrelid, 'publication ' || publication.pubname
    from pg_catalog.pg_publication_rel as published
    join pg_catalog.pg_publication as publication on publication.oid = published.prpubid
  ),
  left_behind_documents as (
    select
      left_behind.relation,
      pg_catalog.jsonb_agg(left_behind.description order by left_behind.description collate "C") as document
    from left_behind
    join watched on watched.oid = left_behind.relation
    group by left_behind.relation
  ),
  -- What a policy on reading reads itself, and what a view does. A policy's own table is left out: it depends on that
  -- one in any case, by its columns.
  reads (reader, read) as (
    select policy.polrelid, depend.refobjid
    from pg_catalog.pg_policy as policy
    join pg_catalog.pg_depend as depend
      on depend.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and depend.objid = policy.oid
    where policy.polcmd in ('r', '*')
      and depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and depend.refobjid <> policy.polrelid
    union
    select rewrite.ev_class, depend.refobjid
    from pg_catalog.pg_rewrite as rewrite
    join pg_catalog.pg_depend as depend
      on depend.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and depend.objid = rewrite.oid
    where depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and depend.refobjid <> rewrite.ev_class
  ),
  reached (origin, relation) as (
    select reads.reader, reads.read
    from reads
    join watched on watched.oid = reads.reader
    union
    select reached.origin, reads.read
    from reached
    join reads on reads.reader = reached.relation
  ),
  reached_documents as (
    select
      reached.origin, pg_catalog.jsonb_agg(class.relname order by class.relname collate "C") as document
    from reached
    join pg_catalog.pg_class as class on class.oid = reached.relation
    join watched on watched.oid = reached.origin and watched.relnamespace = class.relnamespace
    group by reached.origin
  ),
  mentions as (
    select words.word, namespace.nspname || '.' || proc.proname as function
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as namespace on namespace.oid = proc.pronamespace
    join pg_catalog.unnest($3::text[]) as words (word)
      on pg_catalog.strpos(pg_catalog.lower(proc.prosrc), pg_catalog.lower(words.word)) > 0
    where namespace.nspname not in ('pg_catalog', 'information_schema')
      -- What belongs to an extension was written before our tables.
      and not exists (
        select
        from pg_catalog.pg_depend as depend
        where depend.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and depend.objid = proc.oid
          and depend.deptype = 'e'
      )
  )
select pg_catalog.jsonb_build_object(
  'relations', coalesce(
    (
      select pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object(
          'name', watched.relname,
          'partition', watched.relispartition,
          'attributes', coalesce(attribute_documents.document, '[]'),
          'constraints', coalesce(constraint_documents.document, '[]'),
          'unique', coalesce(unique_documents.document, '[]'),
          'referenced_by', coalesce(reference_documents.document, '[]'),
          'dependents', coalesce(
            (
              select pg_catalog.jsonb_agg(distinct dependents.description order by dependents.description)
              from dependents
              where dependents.relation = watched.oid
                and (dependents.description like 'view %' or dependents.description like 'materialized view %'
                     or dependents.description like 'function %')
            ),
            '[]'
          ),
          'left_behind', coalesce(left_behind_documents.document, '[]'),
          'reaches', coalesce(reached_documents.document, '[]')
        )
        order by watched.relname collate "C"
      )
      from watched
      left join attribute_documents on attribute_documents.attrelid = watched.oid
      left join constraint_documents on constraint_documents.conrelid = watched.oid
      left join unique_documents on unique_documents.indrelid = watched.oid
      left join reference_documents on reference_documents.confrelid = watched.oid
      left join left_behind_documents on left_behind_documents.relation = watched.oid
      left join reached_documents on reached_documents.origin = watched.oid
    ),
    '[]'
  ),
  'taken_names', coalesce(
    (
      select pg_catalog.jsonb_agg(class.relname order by class.relname collate "C")
      from pg_catalog.pg_class as class
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
      where namespace.nspname = $1
        and exists (
          select
          from pg_catalog.unnest($2::text[]) as wanted (name)
          where pg_catalog.starts_with(class.relname::text, wanted.name)
        )
    ),
    '[]'
  ),
  'mentions', coalesce(
    (
      select pg_catalog.jsonb_agg(
        distinct pg_catalog.jsonb_build_object('word', mentions.word, 'function', mentions.function)
      )
      from mentions
    ),
    '[]'
  ),
  'user_function', exists (
    select
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as namespace on namespace.oid = proc.pronamespace
    where namespace.nspname = 'auth' and proc.proname = 'uid' and proc.pronargs = 0
      and proc.prorettype = 'pg_catalog.uuid'::pg_catalog.regtype
  ),
  'token_function', exists (
    select
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as namespace on namespace.oid = proc.pronamespace
    where namespace.nspname = 'auth' and proc.proname = 'jwt' and proc.pronargs = 0
      and proc.prorettype = 'pg_catalog.jsonb'::pg_catalog.regtype
  )
)::text
