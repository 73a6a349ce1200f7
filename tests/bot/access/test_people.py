from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner

from bot.access.people import People
from bot.cli.commands.users import users
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import NotFoundError, SettingsError
from bot.domain.feedback import Correction
from bot.domain.people import Person, Role
from bot.storage.tables.access import AuditRow, PersonRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import CorrectionRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.storage.session import Store
    from bot.testing.homes import MakeHome


PASSWORD = "correct horse battery"


@pytest.fixture
def people(store: Store) -> People:
    return People(store)


def test_only_the_right_password_of_a_known_name_signs_in(people: People) -> None:
    people.add("Ada", role=Role.AGENT, password=PASSWORD, actor="test")
    assert people.verified("ada", PASSWORD) == Person("web:ada", "ada", Role.AGENT)
    assert people.verified(" ADA ", PASSWORD) is not None
    assert people.verified("ada", PASSWORD + "x") is None
    assert people.verified("grace", PASSWORD) is None


def test_a_person_without_a_password_cannot_sign_in(people: People) -> None:
    people.add("slack:U1", role=Role.AGENT, password=None, actor="test")
    assert people.verified("slack:U1", "") is None


def test_a_password_hashed_with_older_parameters_is_hashed_anew_at_sign_in(people: People, store: Store) -> None:
    people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    old = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD)
    with store.write() as session:
        session.get_one(PersonRow, "web:ada").password_hash = old
    assert people.verified("ada", PASSWORD)
    with store.read() as session:
        renewed = session.get_one(PersonRow, "web:ada").password_hash
    assert renewed not in (None, old)
    assert not PasswordHasher().check_needs_rehash(renewed or "")
    assert people.verified("ada", PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_unusable_passwords_are_refused_and_nobody_is_added(people: People, password: str) -> None:
    with pytest.raises(SettingsError, match="8 to 256 characters"):
        people.add("ada", role=Role.EMPLOYEE, password=password, actor="test")
    assert people.all() == []


def test_a_second_person_of_one_name_is_refused(people: People) -> None:
    people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    with pytest.raises(SettingsError, match="web:ada already exists"):
        people.add("ADA", role=Role.OPERATOR, password=PASSWORD, actor="test")


@pytest.mark.parametrize("password", ["\udcff\udcfe12345678", "12345678\0"])
def test_a_password_that_is_no_text_is_refused(people: People, password: str) -> None:
    with pytest.raises(SettingsError, match="not UTF-8 text"):
        people.add("ada", role=Role.EMPLOYEE, password=password, actor="test")


@pytest.mark.parametrize("name", ["", "  ", "web:", ":x", "user:ada", "department:hr", "a\nb", "a\x1b[31m", "a\u202eb"])
def test_names_that_nobody_can_bear_are_refused(people: People, name: str) -> None:
    with pytest.raises(SettingsError, match="can't be a person's name"):
        people.add(name, role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    assert people.all() == []


def test_a_retired_name_stays_retired_however_it_is_written(people: People) -> None:
    people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    people.remove("web:ADA", actor="test")
    with pytest.raises(SettingsError, match="can't be reused"):
        people.add("web: Ada", role=Role.OPERATOR, password=PASSWORD, actor="test")


def test_unknown_people_are_named(people: People) -> None:
    with pytest.raises(NotFoundError, match="no person 'bob'"):
        people.remove("bob", actor="x")
    with pytest.raises(NotFoundError, match="no person 'bob'"):
        people.set_password("bob", PASSWORD, actor="x")


def test_every_change_leaves_an_audit_row_without_the_password(people: People, store: Store) -> None:
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


def test_the_command_adds_lists_and_removes(make_home: MakeHome) -> None:
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
def test_somebody_new_who_is_met_many_times_at_once_is_stored_once(people: People, meet: Callable[..., Any]) -> None:
    ada = Person("slack:U1", "Ada")
    with ThreadPoolExecutor(8) as pool:
        met = list(pool.map(lambda _: meet(people, ada), range(16)))
    assert set(met) == {ada}
    assert [account.name for account in people.all()] == ["Ada"]


def test_a_name_learned_later_leaves_the_role(people: People) -> None:
    people.add("slack:U1", role=Role.AGENT, password=None, actor="test")
    assert people.rename(Person("slack:U1"), "Ada") == Person("slack:U1", "Ada", Role.AGENT)


def test_an_agent_of_one_department_is_none_of_another(make_home: MakeHome) -> None:
    home = make_home(departments=("it", "hr"), built_in=())
    home.people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    home.people.set_role("ada", Role.AGENT, department="it", actor="test")
    ada = home.people.get("web:ada")
    assert (ada.role, ada.role_in("it"), ada.role_in("hr")) == (Role.EMPLOYEE, Role.AGENT, Role.EMPLOYEE)
    assert ada.is_anywhere(Role.AGENT)
    assert not ada.is_anywhere(Role.OPERATOR)
    assert [home.escalations.may_resolve(ada, name) for name in ("it", "hr")] == [True, False]
    assert home.escalations.owners(home.departments.get("it")) == ["web:ada"]
    assert home.escalations.owners(home.departments.get("hr")) == []
    home.people.set_role("ada", Role.EMPLOYEE, department="it", actor="test")
    assert not home.people.get("web:ada").is_anywhere(Role.AGENT)
    home.people.set_role("ada", Role.OPERATOR, actor="test")
    assert home.people.get("web:ada").role_in("hr") is Role.OPERATOR


def test_a_role_in_a_department_ends_with_it_and_unusable_ones_are_refused(make_home: MakeHome) -> None:
    home = make_home(departments=("it",), built_in=())
    home.people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    with pytest.raises(NotFoundError, match="no department 'hr'"):
        home.people.set_role("ada", Role.AGENT, department="hr", actor="test")
    with pytest.raises(SettingsError, match="the whole instance"):
        home.people.set_role("ada", Role.OPERATOR, department="it", actor="test")
    with pytest.raises(NotFoundError, match="no person 'bob'"):
        home.people.set_role("bob", Role.AGENT, actor="test")
    home.people.set_role("ada", Role.AGENT, department="it", actor="test")
    home.departments.remove("it", actor="test")
    assert home.people.get("web:ada").roles == frozenset()


def test_the_command_sets_roles(make_home: MakeHome) -> None:
    home = make_home(departments=("it",), built_in=())
    home.people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    run = CliRunner().invoke
    assert run(users, ["role", "ada", "agent", "--department", "it"]).output == "ada now has the role agent in it.\n"
    assert "agent of it" in run(users, ["list"]).output
    assert json.loads(run(users, ["list", "--json"]).stdout)[0]["roles"] == {"it": "agent"}
    assert run(users, ["role", "ada", "operator"]).output == "ada now has the role operator in all departments.\n"
    assert run(users, ["role", "ada", "king"]).exit_code == 2


def test_a_correction_is_live_only_where_its_author_is_an_agent(make_home: MakeHome) -> None:
    home = make_home(departments=("it", "hr"), built_in=())
    home.people.add("ada", role=Role.EMPLOYEE, password=PASSWORD, actor="test")
    home.people.set_role("ada", Role.AGENT, department="it", actor="test")
    ada = home.people.get("web:ada")
    with home.store.write() as session:
        for name in ("it", "hr"):
            session.add(QuestionRow(id=f"q_{name}", text="Which?", person_id=ada.id, department=name, channel="web"))
            session.flush()
            session.add(AnswerRow(id=f"a_{name}", question_id=f"q_{name}", department=name, text="Twelve."))
    live = {name: home.votes.correct(Correction(f"a_{name}", ada, "Eleven.")) for name in ("it", "hr")}
    assert live == {"it": True, "hr": False}
    with home.store.read() as session:
        stored = {row.answer_id: row.role for row in session.query(CorrectionRow)}
        assert sorted(stored.values()) == ["agent", "employee"]
        assert sorted(row.role for row in session.query(VoteRow)) == ["agent", "employee"]


def test_the_member_named_as_people_sign_in_is_that_person(make_home: MakeHome) -> None:
    home = make_home(departments=(DepartmentSpec("hr", "HR", open=False),), built_in=())
    ada, slack = Person("web:ada"), Person("slack:ada")
    home.departments.set_member("hr", "user:ada", member=True, actor="test")
    assert home.departments.askable(home.departments.audience_of(ada)) == ["hr"]
    assert home.departments.askable(home.departments.audience_of(slack)) == []
    assert home.departments.audience_of(ada).may_read(frozenset({"user:ada"}))
    home.departments.set_member("hr", "user:ada", member=False, actor="test")
    assert home.departments.askable(home.departments.audience_of(ada)) == []
