"""Several workspaces in one instance: each installs by OAuth, has its own token, and shares no right with another."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import select

from bot.access.people import People
from bot.cli.main import run
from bot.config.settings import load_settings
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import SettingsError
from bot.domain.people import Role
from bot.storage.tables.access import AuditRow
from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.delivery import OutboxRow
from plugins.slack.settings import SlackSettings
from plugins.slack.testing.server import SIGNING_SECRET
from plugins.slack.testing.web_api.oauth import CLIENT_ID, CLIENT_SECRET
from plugins.slack.workspaces.encryption import VARIABLE, TokenCipher
from plugins.slack.workspaces.installations import Installations, States
from plugins.slack.workspaces.tables import InstallationRow, InstallationStateRow

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

KEYS = tuple(base64.b64encode(bytes([number]) * 32).decode() for number in (255, 2))
ONE, TWO, OTHER = "T0FAKE", "T2BETA", "T3EVIL"
SETTINGS: dict[str, dict[str, Any]] = {
    "slack": {"workspaces": [ONE, TWO], "client_id": CLIENT_ID},
    "web": {"public_url": "https://mentee.example"},
}


@pytest.fixture
async def project(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> SlackProject:
    """An instance over HTTP that both workspaces have installed; C2 and D2 are conversations of the second."""
    monkeypatch.setenv("MENTEE_SLACK_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv(VARIABLE, KEYS[0])
    fake_slack.oauth.homes |= {"C2": TWO, "D2": TWO}
    made = await slack_project(
        "http", departments=("travel", DepartmentSpec("it", "IT", open=False)), settings=SETTINGS
    )
    for team in (ONE, TWO):
        status, page = await fake_slack.install(made.url, team)
        assert (status, f"Mentee is installed in Workspace {team}." in page) == (200, True)
    return made


Row = TypeVar("Row")


def rows(project: SlackProject, table: type[Row]) -> list[Row]:
    with project.mentee.store.read() as session:
        return list(session.scalars(select(table)))


def installations(project: SlackProject) -> Installations:
    slack = SlackSettings.of(project.mentee.settings)
    return Installations(project.mentee.store, lambda: TokenCipher(slack), project.mentee.publish)


def stored_token(project: SlackProject, team: str) -> str:
    (row,) = [row for row in rows(project, InstallationRow) if row.workspace == team]
    return TokenCipher(SlackSettings.of(project.mentee.settings)).decrypt(row.data["bot_token"], team)


async def test_each_workspace_is_answered_with_its_own_token(project: SlackProject, fake_slack: FakeSlack) -> None:
    for place in ("C1", "C2", "D1", "D2"):
        ask = fake_slack.mention if place.startswith("C") else fake_slack.message
        await ask("Are hotels tax exempt?", channel=place)
        assert "12 states" in (await fake_slack.wait_for_post(place)).shown
    await project.settled()
    assert {call.answer for call in fake_slack.calls} == {""}
    assert {row.address["team"] for row in rows(project, OutboxRow)} == {ONE, TWO}


async def test_people_of_different_workspaces_with_one_id_are_different_people(
    project: SlackProject, fake_slack: FakeSlack
) -> None:
    departments, people = project.mentee.departments, People(project.mentee.store)
    departments.set_member("it", f"user:slack:{TWO}:U1", member=True, actor="test")
    people.add(f"slack:{TWO}:U1", role=Role.AGENT, password=None, actor="test")
    assert "IT" in (await fake_slack.command("department", user="U1", channel="C2")).body["text"]
    assert "IT" not in (await fake_slack.command("department", user="U1", channel="C1")).body["text"]
    for place in ("D1", "D2"):
        await fake_slack.message("When does a new laptop come? Ask in it-help for a loan.", channel=place)
        await fake_slack.wait_for_post(place)
    await project.settled()
    asked = {row.place: (row.person_id, row.department) for row in rows(project, QuestionRow)}
    assert asked == {"D1": (f"slack:{ONE}:U1", "travel"), "D2": (f"slack:{TWO}:U1", "it")}


async def test_votes_count_for_the_person_of_that_workspace(project: SlackProject, fake_slack: FakeSlack) -> None:
    from bot.storage.tables.feedback import VoteRow

    for place in ("C1", "C2"):
        await fake_slack.mention("Are hotels tax exempt?", channel=place)
        post = await fake_slack.wait_for_post(place)
        await fake_slack.press("down", user="U7", post=post)
        await fake_slack.react("+1", user="U8", post=post)
    await project.settled()
    voters = {f"slack:{team}:{user}" for team in (ONE, TWO) for user in ("U7", "U8")}
    assert {row.person_id for row in rows(project, VoteRow)} == voters
    assert {view["team_id"] for view in fake_slack.views} == {ONE, TWO}


async def test_a_workspace_that_no_operator_named_gets_nothing(project: SlackProject, fake_slack: FakeSlack) -> None:
    before = dict(fake_slack.oauth.tokens)
    status, page = await fake_slack.install(project.url, OTHER)
    assert status == 403
    assert f"the workspace {OTHER} is not on the list" in page
    assert fake_slack.called("auth.revoke")[-1].answer == ""
    assert fake_slack.oauth.tokens == before
    assert {row.workspace for row in rows(project, InstallationRow)} == {ONE, TWO}


async def test_an_uninstalled_workspace_is_forgotten_with_its_token(
    project: SlackProject, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.slack.workspaces.current.FRESH_SECONDS", 0.0)
    token = stored_token(project, TWO)
    assert all(delivery.acknowledged for delivery in await fake_slack.uninstall(TWO))
    assert {row.workspace for row in rows(project, InstallationRow)} == {ONE}
    assert (await fake_slack.mention("Are hotels tax exempt?", channel="C2")).acknowledged
    await fake_slack.mention("Are hotels tax exempt?", channel="C1")
    await fake_slack.wait_for_post("C1")
    await project.settled()
    assert fake_slack.posts("C2") == []
    assert {row.place for row in rows(project, QuestionRow)} == {"C1"}
    assert [row.action for row in rows(project, AuditRow) if row.subject == TWO] == ["slack.install", "slack.uninstall"]
    assert token not in str([row.detail for row in rows(project, AuditRow)])


async def test_personal_tokens_revoked_leave_the_workspace_installed(
    project: SlackProject, fake_slack: FakeSlack
) -> None:
    from plugins.slack.testing import payloads

    revoked = {"type": "tokens_revoked", "tokens": {"oauth": ["U1"], "bot": []}, "team_id": TWO}
    await fake_slack.deliver(payloads.event(revoked))
    assert len(rows(project, InstallationRow)) == 2


async def test_the_doctor_names_workspaces_that_are_missing_or_refused(
    project: SlackProject, fake_slack: FakeSlack
) -> None:
    from plugins.slack.setup.doctor import examine

    async def examined() -> Any:
        found = {each.check: each for each in await examine(project.mentee.settings)}
        assert "bot token" not in found
        return found

    found = await examined()
    assert found["app credentials"].detail.endswith("back to https://mentee.example/slack/oauth_redirect")
    assert found["workspaces"].detail == f"mentee in Fake ({ONE}), mentee in Fake ({TWO})"
    token = stored_token(project, TWO)
    del fake_slack.oauth.tokens[token]
    found = await examined()
    assert found["workspaces"].detail == f"{TWO}: Slack does not accept its token."
    await installations(project).async_delete_all(enterprise_id=None, team_id=TWO)
    found = await examined()
    assert f"{TWO}: The Slack workspace {TWO} has not installed Mentee" in found["workspaces"].detail
    assert "https://mentee.example/slack/install" in found["workspaces"].fix


async def test_a_cancelled_installation_and_one_of_another_browser_end_with_a_word(
    project: SlackProject, fake_slack: FakeSlack
) -> None:
    import aiohttp

    assert "it was cancelled" in (await fake_slack.install(project.url, TWO, cancel=True))[1]
    state = await States(project.mentee.store).async_issue()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{project.url}/slack/oauth_redirect", params={"code": "x", "state": state}) as page,
    ):
        assert page.status == 400
        assert "another browser started it" in await page.text()
        assert page.headers["Content-Security-Policy"]
    async with aiohttp.ClientSession() as session, session.post(f"{project.url}/slack/install") as page:
        assert page.status == 405


async def test_a_state_ends_one_installation_in_its_time_and_is_stored_hashed(
    project: SlackProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = States(project.mentee.store)
    state = await states.async_issue()
    assert state not in {row.id for row in rows(project, InstallationStateRow)}
    assert [await states.async_consume(state), await states.async_consume(state)] == [True, False]
    monkeypatch.setattr("plugins.slack.workspaces.installations.STATE_SECONDS", -1)
    assert await states.async_consume(await states.async_issue()) is False
    monkeypatch.undo()
    await states.async_issue()
    assert len(rows(project, InstallationStateRow)) == 1  # the one that ran out is swept


async def test_the_store_gives_the_sdk_what_it_saved(project: SlackProject) -> None:
    store = installations(project)
    found = await store.async_find_installation(enterprise_id=None, team_id=TWO)
    bot = await store.async_find_bot(enterprise_id=None, team_id=TWO)
    assert found is not None
    assert bot is not None
    assert (found.team_id, found.bot_user_id, found.user_token) == (TWO, "U0BOT", None)
    assert bot.bot_token == found.bot_token
    assert "chat:write" in bot.bot_scopes
    assert await store.async_find_bot(enterprise_id="E1", team_id=TWO, is_enterprise_install=True) is None
    await store.async_delete_all(enterprise_id=None, team_id=TWO)
    assert await store.async_find_bot(enterprise_id=None, team_id=TWO) is None


@pytest.mark.parametrize(
    ("settings", "secrets", "named"),
    [
        ({}, {}, "MENTEE_SLACK_CLIENT_SECRET"),
        ({}, {"SLACK_CLIENT_SECRET": "x"}, f"Set {VARIABLE}"),
        ({}, {"SLACK_CLIENT_SECRET": "x", "SLACK_TOKEN_KEY": "short"}, f"{VARIABLE} is not a key"),
        ({"slack": {"client_id": ""}}, {"SLACK_CLIENT_SECRET": "x"}, "slack.client_id is not set"),
        (
            {"web": {"public_url": "http://x"}},
            {"SLACK_CLIENT_SECRET": "x", "SLACK_TOKEN_KEY": KEYS[0]},
            "expected an https address",
        ),
    ],
)
async def test_what_is_missing_for_it_ends_the_start_by_name(
    make_home: MakeHome, fake_slack: FakeSlack, settings: Any, secrets: Any, named: str
) -> None:
    from bot.server.lifespan import Runtime
    from plugins.slack.testing.fixtures import slack_settings

    merged = {name: {**SETTINGS[name], **settings.get(name, {})} for name in SETTINGS}
    mentee = make_home(
        settings=slack_settings(fake_slack, "http", merged),
        secrets={"SLACK_SIGNING_SECRET": SIGNING_SECRET, **secrets},
        built_in=("plugins.slack",),
    )
    with pytest.raises(SettingsError) as caught:
        await Runtime(mentee, queues=()).start()
    assert named in str(caught.value)


async def test_one_workspace_by_token_has_no_pages_for_installing(slack_project: MakeSlackProject) -> None:
    import aiohttp

    project = await slack_project("http")
    async with aiohttp.ClientSession() as session, session.get(f"{project.url}/slack/install") as page:
        assert page.status == 404


async def test_the_database_holds_no_token_that_slack_accepts(project: SlackProject, fake_slack: FakeSlack) -> None:
    stored = str([row.data for row in rows(project, InstallationRow)])
    assert fake_slack.oauth.tokens
    assert not [token for token in fake_slack.oauth.tokens if token in stored]


async def test_a_key_is_rotated_and_a_wrong_one_is_named(
    project: SlackProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(keys: str) -> str:
        monkeypatch.setenv(VARIABLE, keys)
        cipher = TokenCipher(SlackSettings.of(load_settings()))
        (row,) = [row for row in rows(project, InstallationRow) if row.workspace == TWO]
        return cipher.decrypt(row.data["bot_token"], TWO)

    token = stored_token(project, TWO)
    with pytest.raises(SettingsError, match=f"{VARIABLE} does not decrypt the token of workspace {TWO}"):
        found(KEYS[1])
    assert run(["slack", "encrypt-tokens"]) == 2
    assert found(f"{KEYS[1]} {KEYS[0]}") == token
    assert run(["slack", "encrypt-tokens"]) == 0, capsys.readouterr().err
    assert found(KEYS[1]) == token
    with pytest.raises(SettingsError):
        found(KEYS[0])
