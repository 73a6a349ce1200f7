from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.departments import DepartmentSpec
from bot.domain.errors import ForbiddenError, SettingsError
from bot.domain.people import Person, Role
from bot.storage.tables.access import DepartmentRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.access.departments import Departments
    from bot.storage.session import Store
    from bot.testing.homes import MakeHome, Mentee


@pytest.fixture
def departments(make_mentee: Callable[..., Mentee]) -> Departments:
    return make_mentee(departments=("it", "hr")).departments


def test_a_department_answers_by_its_own_settings_over_the_instances(departments: Departments) -> None:
    departments.configure("hr", {"answers.passages": 2, "tuning.epochs": 5}, actor="ada")
    hr, it = departments.get("hr"), departments.get("it")
    assert (hr.answers.passages, hr.tuning.epochs) == (2, 5)
    assert (it.answers.passages, it.tuning.epochs) != (2, 5)


def test_two_operators_who_configure_a_department_at_once_both_count(make_home: MakeHome, store: Store) -> None:
    departments = make_home(departments=("hr",), settings={"store": {"url": store.url}}).departments
    with ThreadPoolExecutor(1) as other:
        with store.write() as session:
            row = session.get_one(DepartmentRow, "hr", with_for_update=True)
            configuring = other.submit(departments.configure, "hr", {"tuning.epochs": 5}, actor="ada")
            with pytest.raises(TimeoutError):
                configuring.result(0.5)
            row.config = {"answers": {"passages": 2}}
        hr = configuring.result(20)
    assert (hr.answers.passages, hr.tuning.epochs) == (2, 5)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"answers.passages": 99}, "'passages' in answers of hr"),
        ({"answers.pasages": 2}, "Known settings: passages"),
        ({"colour": "red"}, "no setting 'colour'"),
        ({"open": "perhaps"}, "open must be true or false, not 'perhaps'"),
        ({"escalations.channel": "help-desk"}, "'channel' in escalations of hr: .*'help-desk' needs a plugin"),
        ({"escalations.owners": ["ada"]}, "'owners' in escalations of hr: .*'ada' needs a plugin"),
    ],
)
def test_a_bad_value_changes_nothing(departments: Departments, values: Any, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        departments.configure("hr", {"title": "People", **values}, actor="ada")
    assert departments.get("hr").title == "Hr"


@pytest.mark.parametrize("name", ["HR", "a b", "", "../x", "-x"])
def test_names_are_plain(departments: Departments, name: str) -> None:
    with pytest.raises(SettingsError, match="be the name of a department"):
        departments.add(DepartmentSpec(name, ""), actor="ada")


def test_a_name_is_taken_once(departments: Departments) -> None:
    with pytest.raises(SettingsError, match="already exists"):
        departments.add(DepartmentSpec("hr", "HR"), actor="ada")


def test_who_may_ask_a_closed_department(departments: Departments) -> None:
    departments.configure("hr", {"open": False}, actor="ada")
    departments.set_member("hr", "user:ada", member=True, actor="op")
    ada, bob = (departments.audience_of(Person(name)) for name in ("ada", "bob"))
    assert departments.askable(ada) == ["hr", "it"]
    assert departments.askable(bob) == ["it"]
    assert departments.askable(departments.audience_of(Person("op", role=Role.OPERATOR))) == ["hr", "it"]
    with pytest.raises(ForbiddenError):
        departments.require_askable("hr", bob)
    departments.set_member("hr", "user:ada", member=False, actor="op")
    assert departments.askable(departments.audience_of(Person("ada"))) == ["it"]


@pytest.mark.parametrize("principal", ["ada", "user:", "department:it", "user:a b"])
def test_members_are_people(departments: Departments, principal: str) -> None:
    with pytest.raises(SettingsError, match=r"not a person. Expected one such as user:ada"):
        departments.set_member("hr", principal, member=True, actor="op")
    departments.set_member("hr", principal, member=False, actor="op")
