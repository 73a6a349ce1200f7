"""``mentee slack doctor``: each thing that keeps Slack from working is found, named and told how to mend."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from bot.cli.main import run
from bot.config.settings import load_settings
from bot.domain.errors import MenteeError
from plugins.slack.setup.doctor import examine, verify_address
from plugins.slack.setup.manifest import scopes
from plugins.slack.testing import FakeSlack, http_error, rate_limited
from plugins.slack.testing.fixtures import MakeSlackProject, slack_secrets, slack_settings
from plugins.slack.testing.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.testing.homes import MakeHome

SOCKET = ["transport", "connection", "clock", "bot token", "scopes", "app token", "socket"]


@pytest.fixture
def connect(make_home: MakeHome, fake_slack: FakeSlack) -> Callable[..., None]:
    """Return a function that makes a home connected to the fake, with some secrets or settings of its own."""

    def make(transport: str = "socket", *, settings: dict[str, Any] | None = None, **given: Any) -> None:
        make_home(settings=slack_settings(fake_slack, transport, settings), secrets={**slack_secrets(), **given})

    return make


async def doctor(capsys: pytest.CaptureFixture[str], *options: Any) -> Any:
    """Run the command beside the fake; return exit code and what it printed."""
    code = await asyncio.to_thread(run, ["slack", "doctor", *options])
    return code, capsys.readouterr().out


async def bad(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the findings that are not ok, by check."""
    code, printed = await doctor(capsys, "--json")
    findings = json.loads(printed)
    assert code == (0 if all(found["ok"] for found in findings) else 1)
    assert all(bool(found["fix"]) is not found["ok"] for found in findings)
    return {found["check"]: found for found in findings if not found["ok"]}


async def test_all_is_well_by_socket(
    connect: Callable[..., None], fake_slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    connect()
    fake_slack.web_api.granted = {*scopes(), "pins:read"}
    code, printed = await doctor(capsys, "--json")
    findings = {found["check"]: found for found in json.loads(printed)}
    assert code == 0
    assert list(findings) == SOCKET
    assert all(found["ok"] for found in findings.values())
    assert findings["bot token"]["detail"] == "mentee in Fake (T0FAKE)"
    assert findings["scopes"]["detail"] == f"all {len(scopes())} granted; not needed: pins:read"
    assert findings["socket"]["detail"] == "opened for A0FAKE; 1 of at most 10 open, this one included"
    await fake_slack.wait_until(lambda: not fake_slack.sockets.open)


async def test_people_read_what_is_bad_and_how_to_mend_it(
    connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect(SLACK_BOT_TOKEN="xoxb-of-somebody-else")
    code, printed = await doctor(capsys)
    assert code == 1
    lines = [line.strip() for line in printed.splitlines()]
    at = lines.index("bad  bot token  Slack does not accept MENTEE_SLACK_BOT_TOKEN: invalid_auth.")
    assert "OAuth & Permissions > Bot User OAuth Token" in lines[at + 1]
    assert "ok   app token  accepted, with connections:write" in lines
    assert not [secret for secret in ("xoxb-of-somebody-else", APP_TOKEN, SIGNING_SECRET) if secret in printed]


@pytest.mark.parametrize(
    ("name", "value", "detail", "fix"),
    [
        ("SLACK_BOT_TOKEN", "", "MENTEE_SLACK_BOT_TOKEN is not set.", "Bot User OAuth Token"),
        ("SLACK_BOT_TOKEN", APP_TOKEN, "doesn't start with xoxb-", "Bot User OAuth Token"),
        ("SLACK_APP_TOKEN", BOT_TOKEN, "doesn't start with xapp-", "scope connections:write"),
        ("SLACK_APP_TOKEN", "xapp-old", "accept MENTEE_SLACK_APP_TOKEN: invalid_auth", "App-Level"),
    ],
)
async def test_a_token_that_will_not_do_is_named(  # noqa: PLR0917 - a row
    connect: Callable[..., None], capsys: pytest.CaptureFixture[str], name: str, value: Any, detail: str, fix: str
) -> None:
    connect(**{name: value})
    found = await bad(capsys)
    check, later = ("bot token", "scopes") if name == "SLACK_BOT_TOKEN" else ("app token", "socket")
    assert set(found) == {check, later}
    assert detail in found[check]["detail"]
    assert fix in found[check]["fix"]
    assert (found[later]["detail"], found[later]["fix"]) == ("Not checked.", f"Fix this first: {check}.")


async def test_missing_scopes_are_named_with_what_needs_them(
    connect: Callable[..., None], fake_slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    connect()
    fake_slack.web_api.granted -= {"users:read", "reactions:read"}
    found = await bad(capsys)
    assert set(found) == {"scopes"}
    missing = "reactions:read (for reaction_added, reaction_removed); users:read (for bots.info, users.info)"
    assert missing in found["scopes"]["detail"]
    assert "mentee slack manifest" in found["scopes"]["fix"]


@pytest.mark.parametrize(("ahead", "said"), [(400, "400 s behind"), (-90, "90 s ahead of"), (45, None), (-45, None)])
async def test_a_clock_that_is_off_is_measured(
    connect: Callable[..., None], fake_slack: FakeSlack, capsys: pytest.CaptureFixture[str], ahead: Any, said: Any
) -> None:
    connect()
    fake_slack.web_api.ahead = ahead
    found = await bad(capsys)
    assert set(found) == ({"clock"} if said else set())
    if said:
        seconds, side = said.split(" s ")
        near = [f"{int(seconds) + step} s {side} Slack's" for step in (-1, 0, 1)]
        assert any(text in found["clock"]["detail"] for text in near)
        assert "NTP" in found["clock"]["fix"]


@pytest.mark.parametrize(
    ("reason", "fix"), [("link_disabled", "Switch on Socket Mode"), ("too_many_websockets", "Stop other instances")]
)
async def test_a_socket_that_slack_closes_says_why(
    connect: Callable[..., None], fake_slack: FakeSlack, capsys: pytest.CaptureFixture[str], reason: str, fix: str
) -> None:
    connect()
    fake_slack.sockets.refusal = reason
    found = await bad(capsys)
    assert set(found) == {"socket"}
    assert found["socket"]["detail"] == f"Slack closed the socket: {reason}."
    assert fix in found["socket"]["fix"]


async def test_tokens_of_two_apps_are_told_apart(
    connect: Callable[..., None], fake_slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    connect()
    fake_slack.web_api.app = "A0OTHER"
    found = await bad(capsys)
    assert "The bot token belongs to the app A0OTHER, the app-level token to A0FAKE" in found["socket"]["detail"]


async def test_a_second_look_within_slacks_limit_says_how_long_to_wait(
    connect: Callable[..., None], fake_slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    connect()
    fake_slack.fail("apps.connections.open", rate_limited(30))  # Slack allows about one a minute
    found = await bad(capsys)
    assert found["app token"]["detail"] == "Slack asks Mentee to wait before apps.connections.open."
    assert "30 s" in found["app token"]["fix"]


async def test_slack_being_down_is_told_from_our_network(
    connect: Callable[..., None], fake_slack: FakeSlack, capsys: pytest.CaptureFixture[str]
) -> None:
    connect()
    fake_slack.fail("api.test", http_error(503))
    found = await bad(capsys)
    assert "HTTP 503" in found["connection"]["detail"]
    assert "https://slack-status.com" in found["connection"]["fix"]


async def test_without_a_network_one_thing_is_to_mend_first(
    connect: Callable[..., None], capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    connect(settings={"slack": {"api_url": f"http://127.0.0.1:{unused_tcp_port}/api/"}})
    found = await bad(capsys)
    assert list(found) == SOCKET[1:]
    assert "doesn't answer" in found["connection"]["detail"]
    assert "HTTPS_PROXY" in found["connection"]["fix"]
    assert found["bot token"]["fix"] == found["app token"]["fix"] == "Fix this first: connection."


async def test_switched_off_is_said_and_the_rest_checked(
    connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect("off")
    found = await bad(capsys)
    assert set(found) == {"transport"}
    assert 'transport = "socket"' in found["transport"]["fix"]


async def test_by_http_secret_and_address_are_checked(
    connect: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    connect("http", SLACK_SIGNING_SECRET="0123456789abcdef", SLACK_APP_TOKEN="")
    found = await bad(capsys)
    assert set(found) == {"signing secret", "request URL"}
    assert "has 16 characters; expected 32 hexadecimal digits" in found["signing secret"]["detail"]
    assert 'web.public_url is ""' in found["request URL"]["detail"]


async def test_the_request_url_is_asked_as_slack_asks_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, unused_tcp_port: int
) -> None:
    project = await slack_project("http")
    await verify_address(fake_slack.events_url, SIGNING_SECRET)
    for url, secret, said in (
        (fake_slack.events_url, "f" * 32, "rejects the signature"),
        (f"{project.url}/livez", SIGNING_SECRET, "without the challenge"),
        (f"http://127.0.0.1:{unused_tcp_port}/slack/events", SIGNING_SECRET, "Can't reach"),
    ):
        with pytest.raises(MenteeError, match=said) as caught:
            await verify_address(url, secret)
        assert caught.value.hint


async def test_a_socket_that_cannot_be_opened_is_named_by_its_host(
    connect: Callable[..., None], fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    connect()
    monkeypatch.setattr(fake_slack.web_api, "_socket_url", lambda: f"ws://127.0.0.1:{unused_tcp_port}/")
    found = {finding.check: finding for finding in await examine(load_settings())}
    assert not found["socket"].ok
    assert "No socket to 127.0.0.1" in found["socket"].detail
