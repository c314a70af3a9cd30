"""Users must not be able to make themselves admins."""

import pytest

from app.contract.check import Outcome
from tests.databases import Project, outcome

PASS, FAIL, UNKNOWN = Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN

PROMOTIONS = {
    "a grant on the column": ("grant update (role) on user_profiles to authenticated;", FAIL),
    "a grant on the table": ("grant update on user_profiles to authenticated;", FAIL),
    "a grant to everyone": ("grant update (role) on user_profiles to public;", FAIL),
    "a grant, but a policy that keeps the role": (
        """grant update on user_profiles to authenticated;
        alter policy "Users rename themselves" on user_profiles with check (id = auth.uid() and role = 'user');""",
        PASS,
    ),
    "a grant, but no policy for updates": (
        """grant update on user_profiles to authenticated; drop policy "Users rename themselves" on user_profiles;""",
        PASS,
    ),
    "a grant, but a restrictive policy": (
        """grant update on user_profiles to authenticated;
        create policy never on user_profiles as restrictive for update using (true) with check (role <> 'admin');""",
        PASS,
    ),
    "a grant, but a trigger that may guard it": (
        """grant update on user_profiles to authenticated;
        create function guard() returns trigger language plpgsql as $$ begin new.role := old.role; return new; end $$;
        create trigger guard before update on user_profiles for each row execute function guard();""",
        UNKNOWN,
    ),
    "a grant, and a trigger that is disabled": (
        """grant update on user_profiles to authenticated;
        create function guard() returns trigger language plpgsql as $$ begin new.role := old.role; return new; end $$;
        create trigger guard before update on user_profiles for each row execute function guard();
        alter table user_profiles disable trigger guard;""",
        FAIL,
    ),
    "a newcomer who names the role": (
        """grant insert on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated with check (id = auth.uid());""",
        FAIL,
    ),
    "a newcomer who may only be a user": (
        """grant insert on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated
          with check (id = auth.uid() and role = 'user');""",
        PASS,
    ),
    "row security off": (
        "grant update on user_profiles to authenticated; alter table user_profiles disable row level security;",
        FAIL,
    ),
    "anonymous visitors": (
        """grant update on user_profiles to anon;
        create policy open on user_profiles for update to anon using (true);""",
        FAIL,
    ),
    "no profile table": ("drop table user_profiles cascade;", PASS),
}


@pytest.mark.parametrize("name", PROMOTIONS)
async def test_users_must_not_be_able_to_make_themselves_admins(project: Project, name: str) -> None:
    sql, result = PROMOTIONS[name]
    await project.execute(sql)
    assert outcome(await project.check(), "user_profiles.access.promote") is result


async def test_promotion_is_checked_only_while_profiles_make_admins(project: Project) -> None:
    report = await project.check(admin_profile_table="")
    assert not [check for check in report.checks if check.key.endswith(".promote")]
