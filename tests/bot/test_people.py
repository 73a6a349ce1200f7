from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner

from bot.commands.users import users
from bot.errors import NotFoundError, SettingsError
from bot.messages import Person, Role
from bot.people import People
from bot.store.models import AuditRow, PersonRow

PASSWORD = "correct horse battery"


@pytest.fixture
def people(store):
    return People(store)


def test_only_the_right_password_of_a_known_name_signs_in(people):
    people.add("Ada", role=Role.AGENT, password=PASSWORD, actor="test")
    assert people.verified("ada", PASSWORD) == Person("web:ada", "ada", Role.AGENT)
    assert people.verified(" ADA ", PASSWORD) is not None
    assert people.verified("ada", PASSWORD + "x") is None
    assert people.verified("grace", PASSWORD) is None


def test_a_person_without_a_password_cannot_sign_in(people):
    people.add("slack:U1", role=Role.AGENT, password=None, actor="test")
    assert people.verified("slack:U1", "") is None


def test_a_password_hashed_with_older_parameters_is_hashed_anew_at_sign_in(people, store):
    people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    old = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD)
    with store.write() as session:
        session.get_one(PersonRow, "web:ada").password_hash = old
    assert people.verified("ada", PASSWORD)
    with store.read() as session:
        renewed = session.get_one(PersonRow, "web:ada").password_hash
    assert renewed != old
    assert not PasswordHasher().check_needs_rehash(renewed)
    assert people.verified("ada", PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_unusable_passwords_are_refused_and_nobody_is_added(people, password):
    with pytest.raises(SettingsError, match="8 to 256 characters"):
        people.add("ada", role=Role.EMPLOYEE, password=password, actor="test")
    assert people.all() == []


def test_a_second_person_of_one_name_is_refused(people):
    people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    with pytest.raises(SettingsError, match="web:ada exists already"):
        people.add("ADA", role=Role.OPERATOR, password=PASSWORD, actor="test")


def test_unknown_people_are_named(people):
    for change in (lambda: people.remove("bob", actor="x"), lambda: people.set_password("bob", PASSWORD, actor="x")):
        with pytest.raises(NotFoundError, match="no person 'bob'"):
            change()


def test_every_change_leaves_an_audit_row_without_the_password(people, store):
    people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="eve")
    people.set_password("ada", PASSWORD + "2", actor="eve")
    people.remove("ada", actor="eve")
    with store.read() as session:
        rows = session.query(AuditRow).order_by(AuditRow.at).all()
    assert [(row.actor, row.action) for row in rows] == [
        ("eve", "person.add"),
        ("eve", "person.password"),
        ("eve", "person.remove"),
    ]
    assert PASSWORD not in json.dumps([row.detail for row in rows])


def test_the_command_adds_lists_and_removes(make_home):
    make_home(built_in=())
    run = CliRunner().invoke
    added = run(users, ["add", "ada", "--role", "operator", "--password-stdin"], input=f"{PASSWORD}\n")
    assert (added.exit_code, added.stdout) == (0, "Added web:ada (operator).\n")
    assert run(users, ["add", "slack:U1", "--role", "agent"]).exit_code == 0
    listed = json.loads(run(users, ["list", "--json"]).stdout)
    assert [(row["id"], row["role"], row["has_password"]) for row in listed] == [
        ("slack:U1", "agent", False),
        ("web:ada", "operator", True),
    ]
    assert "web:ada" in run(users, ["list"]).output
    assert run(users, ["remove", "ada"]).exit_code == 0
    assert run(users, ["password", "ada", "--password-stdin"], input=f"{PASSWORD}\n").exit_code != 0


@pytest.mark.parametrize("meet", [People.ensure, lambda people, person: people.rename(person, person.name)])
def test_somebody_new_who_is_met_many_times_at_once_is_stored_once(people, meet):
    ada = Person("slack:U1", "Ada")
    with ThreadPoolExecutor(8) as pool:
        met = list(pool.map(lambda _: meet(people, ada), range(16)))
    assert set(met) == {ada}
    assert [account.name for account in people.all()] == ["Ada"]


def test_a_name_learned_later_leaves_the_role(people):
    people.add("slack:U1", role=Role.AGENT, password=None, actor="test")
    assert people.rename(Person("slack:U1"), "Ada") == Person("slack:U1", "Ada", Role.AGENT)
