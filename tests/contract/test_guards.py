"""What is read off a trigger's source: false only where it is certain that it guards nothing."""

import time

import pytest

from app.contract.guards import may_guard

HARMLESS = {
    "a moment": "begin new.updated_at := now(); return new; end",
    "a moment, only sometimes": "begin if old.status <> new.status then new.changed = now(); end if; return new; end",
    "a counter": "begin select count(*) into new.runs from strategy_runs; return new; end",
    "a record": "begin insert into changes values (to_jsonb(old.*), now()); return new; end",
    "a record with columns": "begin insert into changes (at, by) values (now(), auth.uid()); return new; end",
    "a record that may be there": "begin insert into t values (now()) on conflict (id) do nothing; return new; end",
    "a notification": "begin perform pg_catalog.pg_notify('profiles', new.id::text); return new; end",
    "a quoted comment": "begin insert into changes values ('-- told ''so'' /*', now()); return new; end",
    "a comment": "begin -- raise 'no' where the role changes\n/* return null; */ new.at := now(); return new; end",
}
GUARDING = {
    "it names the column": "begin new.role := old.role; return new; end",
    "it names the column in other case": 'begin new."ROLE" := old.x; return new; end',
    "it raises": "begin raise exception 'no'; end",
    "it asserts": "begin assert false; return new; end",
    "it asks another": "begin perform only_admins(); return new; end",
    "it calls another": "begin call only_admins(); return new; end",
    "it runs what it is given": "begin execute tg_argv[0]; return new; end",
    "it asks another in an expression": "begin new.at := only_admins(new); return new; end",
    "it asks another in a condition": "begin if public.is_admin() then new.at := now(); end if; return new; end",
    "it asks for a setting that may not be there": "begin new.by := current_setting('app.user'); return new; end",
    "it leaves the row out": "begin return null; end",
    "it keeps the old row": "begin return old; end",
    "it takes another row": "begin new := old; return new; end",
    "it reads another row": "begin select * into new from user_profiles limit 1; return new; end",
    "it raises behind what only looks like a comment": "begin new.dash := '--'; raise exception 'no'; end",
    "it raises behind a name that looks like one": "begin new.\"--\" := 1; raise exception 'no'; end",
    "it raises between two that look like one": "begin a := '/*'; raise exception 'no'; b := '*/'; return new; end",
    "it raises behind quoted dashes": "begin a := $q$ it's -- $q$; raise exception 'no'; return new; end",
    "it raises behind a comment within another": "begin /* /* */ ' */ a := '--'; raise exception 'no'; return new; end",
    "it raises behind an escaped quote": "begin a := E'it\\'s --'; raise exception 'no'; return new; end",
    "it returns a changed row": "begin return new #= hstore('a', 'b'); end",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_plain_function_guards_nothing(name: str) -> None:
    assert not may_guard(HARMLESS[name], language="plpgsql", column="role", before=True)


@pytest.mark.parametrize("name", GUARDING)
def test_whatever_could_keep_the_value_out_may(name: str) -> None:
    assert may_guard(GUARDING[name], language="plpgsql", column="role", before=True)


@pytest.mark.parametrize("source", ["begin return null; end", "begin return old; end"])
def test_after_the_row_is_written_what_is_returned_means_nothing(source: str) -> None:
    assert not may_guard(source, language="plpgsql", column="role", before=False)


def test_of_other_languages_only_the_module_that_sets_a_moment_is_known() -> None:
    assert not may_guard("moddatetime", language="c", column="role", before=True)
    assert may_guard("check_primary_key", language="c", column="role", before=True)
    assert may_guard("return None", language="plpython3u", column="role", before=False)


@pytest.mark.parametrize("part", ["/*", "$a$b", "'", '"', "a.", "x(", "-"])
def test_no_source_takes_long_to_read(part: str) -> None:
    started = time.process_time()
    for repeated in (part * (9_000 // len(part)), " ".join(f"${number}$" for number in range(1_500)), part * 1_000_000):
        may_guard(repeated, language="plpgsql", column="role", before=True)
    assert time.process_time() - started < 2
