"""Mending keys: primary keys in place, foreign keys without a look at old rows, which part 2 validates."""

from collections.abc import Iterator

from app.contract.fix.columns import counted
from app.contract.fix.model import Decision, Hazard, HazardKind, Statement, Step
from app.contract.fix.rules import MAY_FAIL, SCANS
from app.contract.fix.situation import PARTITIONED, Subject
from app.contract.fix.sql import FOUND, block, identifiers, indented, literal, stop, unless_done, when
from app.contract.identifiers import quote_identifier
from app.contract.model import Column, Reference
from app.contract.surroundings import QuestionKind

BUILDS_INDEX = Hazard(
    HazardKind.LOCKS_TABLE,
    "Builds an index while nobody reads or writes the table. For a large one, make a unique index CONCURRENTLY first:"
    " it then becomes the key.",
)
# Since Postgres 18 a key can be NOT ENFORCED, which is never validated.
TO_VALIDATE = (
    "\n  and not con.convalidated\n  and coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::pg_catalog.bool, true)"
)
NEW_KEY = Hazard(
    HazardKind.REFUSES_ROWS,
    "From now on rows that point nowhere are refused. The key says no ON DELETE: what is pointed at cannot be deleted.",
)


def primary_key(subject: Subject) -> Iterator[Step]:
    """The documented key, in the place of another or of none."""
    wanted = subject.table.primary_key
    if not subject.failed("primary_key") or any(subject.relation.column(name) is None for name in wanted):
        return
    released, obstacle = _released(subject), _key_obstacle(subject)
    columns = (column for column in subject.table.columns if column.name in released)
    keys = (
        subject.key("primary_key"),
        *subject.situation.open(*(subject.key("nullability", column) for column in columns)),
    )
    if obstacle is None:
        about = f"Make {', '.join(wanted)} the primary key of {subject.name}."
        sql = block(*_key_commands(subject, released), declare=f"ready name;\n{FOUND}")
        yield Statement(1, keys, about, sql, (BUILDS_INDEX, *_no_longer_required(released)))
    else:
        held = dict.fromkeys((*wanted, *subject.relation.partition_key))
        yield Decision(keys, obstacle, f"alter table {subject.target.name} add primary key ({identifiers(held)});")


def foreign_keys(subject: Subject) -> Iterator[Step]:
    """The documented foreign keys of columns that are there, or that this fix adds."""
    for column in subject.table.columns:
        is_open = bool(subject.situation.open(subject.key("references", column)))
        left_out = column.name in subject.table.primary_key and subject.relation.column(column.name) is None
        if column.references is not None and is_open and not left_out:
            yield from _foreign_key(subject, column, column.references)


def _key_obstacle(subject: Subject) -> str | None:
    if subject.relation.kind == PARTITIONED:
        return "The key of a partitioned table must hold its partition key, too."
    if subject.relation.primary_key and subject.around.referenced_by:
        return f"The key that is there is pointed at by {', '.join(subject.around.referenced_by)}."
    if len(subject.table.primary_key) > 1:
        return "Look for rows that share their key first."
    (column,) = (column for column in subject.table.columns if column.name in subject.table.primary_key)
    if nulls := subject.count(QuestionKind.NULLS, column):
        return f"{counted(nulls)} of {subject.name} have no {column.name}."
    if duplicates := subject.count(QuestionKind.DUPLICATES, column):
        return f"{counted(duplicates)} of {subject.name} share their {column.name} with another."
    return None


def _released(subject: Subject) -> tuple[str, ...]:
    """Columns of the old key that need a value no longer. The key leaves NOT NULL behind, and the runner, which does
    not know of them, would write none.
    """
    documented = {column.name: column for column in subject.table.columns}
    return tuple(
        name
        for name in subject.relation.primary_key
        if name not in subject.table.primary_key
        and (name not in documented or documented[name].nullable)
        and (attribute := subject.around.attribute(name)) is not None
        and not attribute.computed
    )


def _no_longer_required(names: tuple[str, ...]) -> tuple[Hazard, ...]:
    if not names:
        return ()
    return (Hazard(HazardKind.DROPS_RULE, f"Rows need no {' and no '.join(names)} any more."),)


def _key_commands(subject: Subject, released: tuple[str, ...]) -> Iterator[str]:
    """Takes a unique index over just these columns where there is one that no constraint has taken yet."""
    target, wanted = subject.target, subject.table.primary_key
    yield unless_done(f"exists (\n{indented(target.constraints('p', *wanted))}\n)")
    if subject.relation.primary_key:
        yield target.each(target.constraints("p", *subject.relation.primary_key), "drop")
    for name in released:
        yield f"alter table {target.name} alter column {quote_identifier(name)} drop not null;"
    yield (
        "select class.relname into ready\n"
        "from pg_catalog.pg_index as index\n"
        "join pg_catalog.pg_class as class on class.oid = index.indexrelid\n"
        f"where index.indrelid = {target.regclass}\n"
        "  and index.indisunique and index.indisvalid and index.indimmediate and index.indpred is null\n"
        "  and index.indnkeyatts = index.indnatts and index.indexprs is null\n"
        # A key is sorted as the types of its columns are by default, and takes no other index.
        "  and not exists (\n"
        "    select\n"
        "    from rows from (\n"
        "      pg_catalog.unnest(index.indkey::int2[]), pg_catalog.unnest(index.indoption::int2[]),\n"
        "      pg_catalog.unnest(index.indclass::oid[]), pg_catalog.unnest(index.indcollation::oid[])\n"
        "    ) as key (number, options, class, sorting)\n"
        "    join pg_catalog.pg_opclass as class on class.oid = key.class\n"
        "    join pg_catalog.pg_attribute as attribute\n"
        "      on attribute.attrelid = index.indrelid and attribute.attnum = key.number\n"
        "    where key.options <> 0 or not class.opcdefault or key.sorting <> attribute.attcollation\n"
        "  )\n"
        "  and (\n"
        "    select pg_catalog.array_agg(attribute.attname::text order by key.position)\n"
        "    from pg_catalog.unnest(index.indkey::int2[]) with ordinality as key (number, position)\n"
        "    join pg_catalog.pg_attribute as attribute\n"
        "      on attribute.attrelid = index.indrelid and attribute.attnum = key.number\n"
        f"  ) = array[{', '.join(map(literal, wanted))}]\n"
        "  and not exists (select from pg_catalog.pg_constraint as con where con.conindid = index.indexrelid)\n"
        "order by class.relname\n"
        "limit 1;"
    )
    yield (
        "if ready is null then\n"
        f"  alter table {target.name} add primary key ({identifiers(wanted)});\n"
        "else\n"
        "  execute pg_catalog.format(\n"
        f"    'alter table %s add primary key using index %I', {literal(target.name)}, ready\n"
        "  );\n"
        "end if;"
    )


def _foreign_key(subject: Subject, column: Column, reference: Reference) -> Iterator[Step]:
    target, key = subject.target, subject.key("references", column)
    other = subject.situation.target(reference.table)
    definition = (
        f"foreign key ({quote_identifier(column.name)}) references {other.name} ({quote_identifier(reference.column)})"
    )
    obstacle = _foreign_obstacle(subject, column, reference)
    if obstacle is not None:
        yield Decision((key,), obstacle, f"alter table {target.name} add {definition};")
        return
    orphans = subject.count(QuestionKind.ORPHANS, column)
    if orphans:
        why = f"{counted(orphans)} of {subject.name} point at no row of {reference.table}."
        proposal = f"alter table {target.name} add {definition};"
        yield Decision((key,), f"{why} Decide what becomes of them; then add the key.", proposal)
        return
    if not subject.is_warning("references", column):
        yield _pointing(subject, column, reference, definition)
    sql = block(
        when(
            f"not exists (\n{indented(target.foreign_keys(column.name, other, reference.column))}\n)",
            stop(f"{subject.name}.{column.name} has no foreign key to validate: apply part 1 first."),
        ),
        target.each(target.foreign_keys(column.name, other, reference.column, extra=TO_VALIDATE), "validate"),
        declare=FOUND,
    )
    added = subject.relation.column(column.name) is None
    hazards = (SCANS, *((MAY_FAIL,) if orphans is None and not added else ()))
    yield Statement(2, (key,), f"Validate the foreign key of {subject.name}.{column.name}.", sql, hazards)


def _foreign_obstacle(subject: Subject, column: Column, reference: Reference) -> str | None:
    """Why a foreign key cannot be added by this fix; None where it can."""
    situation, added = subject.situation, subject.relation.column(column.name) is None
    wanted = (situation.observation.schema, reference.table, (reference.column,))
    matching = [
        key
        for key in subject.relation.foreign_keys
        if key.columns == (column.name,)
        and (key.referenced_schema, key.referenced_table, key.referenced_columns) == wanted
    ]
    if subject.relation.kind == PARTITIONED and not matching:
        return "A foreign key of a partitioned table cannot be added without a look at every row, under a lock."
    if matching and not any(key.enforced for key in matching):
        return "Somebody has turned the foreign key off. Find the orphans first, then turn it on again."
    if not added and not situation.is_right(subject.name, column.name, column.type):
        return f"{column.name} must be {column.type} before it can point anywhere."
    if not _gets_its_key(subject, reference) and not situation.can_be_referenced(reference, column.type):
        return f"Nothing can point at {reference}: there is no such {column.type} column, or no unique index over it."
    return None


def _gets_its_key(subject: Subject, reference: Reference) -> bool:
    """What is pointed at gets its primary key by the same fix, before anything points there."""
    for other in subject.situation.subjects():
        if other.name == reference.table and other.table.primary_key == (reference.column,):
            column = next(column for column in other.table.columns if column.name == reference.column)
            right = subject.situation.is_right(other.name, column.name, column.type)
            return right and any(isinstance(step, Statement) for step in primary_key(other))
    return False


def _pointing(subject: Subject, column: Column, reference: Reference, definition: str) -> Statement:
    """Beside what is there; but a key to a legacy table refuses every row the runner writes, and goes."""
    situation, target = subject.situation, subject.target
    other = situation.target(reference.table)
    legacy = sorted(
        key.referenced_table
        for key in subject.relation.foreign_keys
        if key.columns == (column.name,)
        and key.referenced_schema == situation.observation.schema
        and key.referenced_table in situation.contract.legacy_tables()
    )
    drops = [
        target.each(
            target.constraints("f", column.name, extra=f"\n  and con.confrelid = {situation.target(old).regclass}"),
            "drop",
        )
        for old in dict.fromkeys(legacy)
    ]
    name = quote_identifier(subject.new_constraint(f"{column.name}_fkey"))
    sql = block(
        unless_done(f"exists (\n{indented(target.foreign_keys(column.name, other, reference.column))}\n)"),
        *drops,
        f"alter table {target.name} add constraint {name} {definition} not valid;",
        declare=FOUND if drops else "",
    )
    instead = f", and no longer at {', '.join(legacy)}" if legacy else ""
    about = f"Let {subject.name}.{column.name} point at {reference}{instead}."
    wait = f"Writes to {subject.name} and {reference.table} wait for a moment, 5 s at most."
    return Statement(1, (), about, sql, (Hazard(HazardKind.LOCKS_TABLE, wait), NEW_KEY))
