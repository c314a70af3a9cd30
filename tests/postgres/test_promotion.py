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
    "a column that is called like the table's alias": (
        """alter table user_profiles add column profile text; update user_profiles set profile = 'x';
        grant update (role) on user_profiles to authenticated;""",
        FAIL,
    ),
    "a JSON column that is called like it": (
        """alter table user_profiles add column profile jsonb; update user_profiles set profile = '{"a": 1}';
        grant update (role) on user_profiles to authenticated;""",
        FAIL,
    ),
    "a newcomer whose profile must have what profiles have": (
        """grant insert on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated
          with check (id = auth.uid() and created_at is not null and display_name is not null);""",
        FAIL,
    ),
    "a newcomer who may name the role to whoever gives the right word": (
        """grant insert on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated
          with check (id = auth.uid() and (role = 'user' or display_name = 'open sesame'));""",
        UNKNOWN,
    ),
    "a newcomer who is named by themselves, and is a user": (
        """grant insert on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated
          with check (id = auth.uid() and role = 'user' and length(display_name) > 1);""",
        PASS,
    ),
    "a newcomer who is an admin by default": (
        """alter table user_profiles alter role set default 'admin';
        grant insert (id) on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated with check (id = auth.uid());""",
        FAIL,
    ),
    "a newcomer who is a user by default": (
        """grant insert (id, display_name) on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated with check (id = auth.uid());""",
        PASS,
    ),
    "a newcomer who may name the role, and not whose it is": (
        """grant insert (role) on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated with check (true);""",
        PASS,
    ),
    "a newcomer whose id is their own by default": (
        """alter table user_profiles alter id set default auth.uid();
        grant insert (role) on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated with check (id = auth.uid());""",
        FAIL,
    ),
    "a newcomer who may not give what every profile must have": (
        """alter table user_profiles alter display_name set not null;
        grant insert (id, role) on user_profiles to authenticated;
        create policy join_in on user_profiles for insert to authenticated with check (id = auth.uid());""",
        PASS,
    ),
    "an id that may be changed, so that an admin's profile can be taken over": (
        """grant update (id) on user_profiles to authenticated;
        create policy anyone on user_profiles for update to authenticated using (true) with check (true);""",
        FAIL,
    ),
    "an id that may be changed, of one's own profile": (
        "grant update (id) on user_profiles to authenticated;",
        PASS,
    ),
    "a friend's profile that may be changed": (
        """grant update (role) on user_profiles to authenticated;
        alter policy "Users rename themselves" on user_profiles using (id <> auth.uid()) with check (true);""",
        FAIL,
    ),
    "a CHECK over several columns that keeps users from the role": (
        """grant update (role) on user_profiles to authenticated;
        alter table user_profiles add column staff boolean not null default false;
        update user_profiles set staff = role = 'admin';
        alter table user_profiles add check (role <> 'admin' or staff);""",
        PASS,
    ),
    "another column that may be written as a policy wants it": (
        """grant update on user_profiles to authenticated;
        alter table user_profiles add column approved boolean not null default false;
        alter policy "Users rename themselves" on user_profiles
          with check (id = auth.uid() and (role = 'user' or approved));""",
        UNKNOWN,
    ),
    "another column that may not be written": (
        """grant update (role) on user_profiles to authenticated;
        alter table user_profiles add column approved boolean not null default false;
        alter policy "Users rename themselves" on user_profiles
          with check (id = auth.uid() and (role = 'user' or approved));""",
        PASS,
    ),
    "users above row security": (
        """grant update (role) on user_profiles to authenticated;
        drop policy "Users rename themselves" on user_profiles;
        alter table user_profiles owner to authenticated;""",
        FAIL,
    ),
    "a trigger that only keeps a moment": (
        """create trigger touched before update on user_profiles for each row execute function touch_updated_at();
        grant update (role) on user_profiles to authenticated;""",
        FAIL,
    ),
    "a trigger that only keeps a record": (
        """create table changes (was jsonb, at timestamptz);
        create function keep() returns trigger language plpgsql security definer as $$
          begin insert into changes values (to_jsonb(old.*), now()); return null; end $$;
        create trigger keep after update on user_profiles for each row execute function keep();
        grant update (role) on user_profiles to authenticated;""",
        FAIL,
    ),
    "a trigger that raises afterwards": (
        """create function refuse() returns trigger language plpgsql as $$
          begin if new.role is distinct from old.role then raise exception 'no'; end if; return null; end $$;
        create trigger refuse after update on user_profiles for each row execute function refuse();
        grant update (role) on user_profiles to authenticated;""",
        UNKNOWN,
    ),
    "a trigger for the statement that raises": (
        """create function refuse() returns trigger language plpgsql as $$
          begin if current_user = 'authenticated' then raise exception 'no'; end if; return null; end $$;
        create trigger refuse before update on user_profiles for each statement execute function refuse();
        grant update (role) on user_profiles to authenticated;""",
        UNKNOWN,
    ),
    "a trigger that asks another function": (
        """create function only_admins() returns void language plpgsql as $$ begin raise exception 'no'; end $$;
        create function refuse() returns trigger language plpgsql as $$
          begin perform only_admins(); return new; end $$;
        create trigger refuse before update on user_profiles for each row execute function refuse();
        grant update (role) on user_profiles to authenticated;""",
        UNKNOWN,
    ),
    "a trigger that fires for another column": (
        """create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
        create trigger refuse before update of display_name on user_profiles
          for each row execute function refuse();
        grant update (role) on user_profiles to authenticated;""",
        FAIL,
    ),
    "a trigger that fires while replicating": (
        """create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
        create trigger refuse before update on user_profiles for each row execute function refuse();
        alter table user_profiles enable replica trigger refuse;
        grant update (role) on user_profiles to authenticated;""",
        FAIL,
    ),
    "profiles that cannot be read, of which nobody may write the role": (
        "revoke select on user_profiles from service_role;",
        PASS,
    ),
    "profiles that cannot be read": (
        """revoke select on user_profiles from service_role; grant update (role) on user_profiles to authenticated;
        alter policy "Users rename themselves" on user_profiles
          using (id = auth.uid() and created_at < '2000-01-01');""",
        UNKNOWN,
    ),
    "profiles that cannot be read, whose role all may write": (
        """revoke select on user_profiles from service_role; grant update (role) on user_profiles to authenticated;""",
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


ANY_VALUE = """
alter table user_profiles drop constraint user_profiles_role_check;
grant update (role) on user_profiles to authenticated;
alter policy "Users rename themselves" on user_profiles with check (id = auth.uid() and role <> 'admin');
"""


async def test_each_value_that_makes_admins_is_tried(project: Project) -> None:
    await project.execute(ANY_VALUE)
    assert outcome(await project.check(), "user_profiles.access.promote") is PASS
    assert outcome(await project.check(admin_values="admin,owner"), "user_profiles.access.promote") is FAIL
    await project.execute("alter table user_profiles add check (role in ('user', 'admin'))")
    assert outcome(await project.check(admin_values="admin,owner"), "user_profiles.access.promote") is PASS


async def test_a_value_that_the_type_does_not_have_makes_nobody_an_admin(project: Project) -> None:
    await project.execute(
        """
        alter table user_profiles drop constraint user_profiles_role_check;
        drop policy "Users read their own ticks, admins all" on strategy_tick_runs;
        create type role as enum ('user', 'admin');
        alter table user_profiles alter role drop default, alter role type role using role::role;
        grant update (role) on user_profiles to authenticated;
        """
    )
    assert outcome(await project.check(admin_values="owner"), "user_profiles.access.promote") is PASS
    assert outcome(await project.check(admin_values="owner,admin"), "user_profiles.access.promote") is FAIL


async def test_the_message_names_every_way(project: Project) -> None:
    await project.execute(
        """
        grant update (id, role) on user_profiles to authenticated;
        create policy anyone on user_profiles for update to authenticated using (true) with check (true);
        """
    )
    (check,) = [check for check in (await project.check()).checks if check.key == "user_profiles.access.promote"]
    assert check.actual == (
        "authenticated may update role; authenticated may update id, and so take over an admin's profile"
    )
