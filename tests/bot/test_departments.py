import pytest

from bot.errors import ForbiddenError, NotFoundError, SettingsError
from bot.messages import EVERYONE, Audience, DepartmentSpec, Person, Role


@pytest.fixture
def departments(make_mentee):
    return make_mentee(departments=("it", "hr")).departments


def test_a_department_answers_by_its_own_settings_over_the_instances(departments):
    departments.configure("hr", {"answers.passages": 2, "tuning.epochs": 5}, actor="ada")
    hr, it = departments.get("hr"), departments.get("it")
    assert (hr.answers.passages, hr.tuning.epochs) == (2, 5)
    assert (it.answers.passages, it.tuning.epochs) != (2, 5)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"answers.passages": 99}, "'passages' in answers of hr"),
        ({"answers.pasages": 2}, "Known settings: passages"),
        ({"colour": "red"}, "no setting 'colour'"),
        ({"open": "perhaps"}, "open is true or false, not 'perhaps'"),
        ({"escalations.channel": "help-desk"}, "'channel' in escalations of hr: .*'help-desk' lacks its plugin"),
        ({"escalations.owners": ["ada"]}, "'owners' in escalations of hr: .*'ada' lacks its plugin"),
    ],
)
def test_a_bad_value_changes_nothing(departments, values, problem):
    with pytest.raises(SettingsError, match=problem):
        departments.configure("hr", {"title": "People", **values}, actor="ada")
    assert departments.get("hr").title == "Hr"


@pytest.mark.parametrize("name", ["HR", "a b", "", "../x", "-x"])
def test_names_are_plain(departments, name):
    with pytest.raises(SettingsError, match="cannot name a department"):
        departments.add(DepartmentSpec(name, ""), actor="ada")


def test_a_name_is_taken_once(departments):
    with pytest.raises(SettingsError, match="exists already"):
        departments.add(DepartmentSpec("hr", "HR"), actor="ada")


def test_who_may_ask_a_closed_department(departments):
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
def test_members_are_people(departments, principal):
    with pytest.raises(SettingsError, match=r"no person; one such as user:ada"):
        departments.set_member("hr", principal, member=True, actor="op")
    departments.set_member("hr", principal, member=False, actor="op")


@pytest.mark.parametrize(
    ("channel", "reads", "problem"),
    [("general", (), "no channel"), ("slack:", (), "no channel"), ("slack:C1", ("hr",), "nothing that a document")],
)
def test_a_channel_and_what_it_reads_are_named_in_full(departments, channel, reads, problem):
    with pytest.raises(SettingsError, match=problem):
        departments.bind_channel(channel, "hr", actor="ada", train_eligible=None, reads=reads)
    assert departments.channel(channel) is None


def test_a_channel_asks_with_its_own_rights(departments):
    departments.configure("hr", {"open": False}, actor="ada")
    departments.set_channel("slack:C1", ["hr"], actor="ada", principals=["department:hr"])
    channel = departments.channel("slack:C1")
    assert departments.askable(Audience(frozenset({EVERYONE, *channel.principals}))) == ["hr", "it"]
    assert channel.train_eligible is None, "left to the channel plugin until somebody says"
    with pytest.raises(NotFoundError):
        departments.set_channel("slack:C1", ["finance"], actor="ada")


def test_binding_a_channel_again_keeps_what_was_granted(departments):
    departments.bind_channel("slack:C1", "hr", actor="ada", train_eligible=True, reads=["department:hr"])
    departments.bind_channel("slack:C1", "it", actor="ada", train_eligible=None, reads=())
    channel = departments.channel("slack:C1")
    assert (channel.departments, channel.principals, channel.train_eligible) == (["hr", "it"], ["department:hr"], True)
