"""Does the Slack app work from here? Each check says what it found and, where that will not do, how to mend it."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.signature import SignatureVerifier

from bot.domain.errors import BusyError, MenteeError
from bot.storage.session import Store
from plugins.slack.client.web_api import CALL_SECONDS, REINSTALL, WHERE, TokenRefusedError, call, secret, web_client
from plugins.slack.settings import SlackSettings
from plugins.slack.setup.manifest import (
    INSTALL_PATH,
    REDIRECT_PATH,
    redirect_url,
    request_url,
    scopes,
    transport,
)
from plugins.slack.workspaces.current import Workspaces
from plugins.slack.workspaces.encryption import TokenCipher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.config.settings import Settings

SKEW_SECONDS = 60
"""Signatures hold for 300 s; a clock this far off is on its way there."""
SOCKETS = 10
"""Slack opens no more sockets for one app."""
KINDS = {"MENTEE_SLACK_BOT_TOKEN": "xoxb-", "MENTEE_SLACK_APP_TOKEN": "xapp-"}
SIGNING_SECRET = re.compile(r"[0-9a-f]{32}")
BETWEEN = (
    "a firewall or a proxy (HTTPS_PROXY) may stand between. https://slack-status.com says whether Slack itself is down."
)
CLOSED = {
    "link_disabled": "Switch on Socket Mode in the app's page.",
    "too_many_websockets": f"Stop other instances of this app: Slack opens {SOCKETS} sockets at most.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; ``fix`` says how to mend it and is empty when all is well."""

    check: str
    ok: bool
    detail: str
    fix: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Check what the transport in force needs; a check whose ground is missing says which one comes first."""
    examination, findings = Examination(settings), []
    identity = SEVERAL if SlackSettings.of(settings).workspaces else ONE
    for name, check in {**COMMON, **identity, **BY_TRANSPORT[transport(settings)]}.items():
        try:
            findings.append(Finding(name, ok=True, detail=await check(examination)))
        except MenteeError as error:
            findings.append(Finding(name, ok=False, detail=error.text, fix=error.hint))
    return findings


class Examination:
    """The checks of one run, in order, and what they learn from Slack on the way."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slack = SlackSettings.of(settings)
        self._skew: float | None = None
        self._granted: frozenset[str] | None = None
        self._bot_app = ""
        self._socket_url = ""

    async def switch(self) -> str:
        """Check that Slack is switched on."""
        if self._slack.transport == "off":
            raise MenteeError(
                'slack.transport is "off": Mentee starts without Slack.',
                hint='Set transport = "socket" or "http" under [slack] in mentee.toml.',
            )
        return self._slack.transport

    async def connection(self) -> str:
        """Check that the Web API answers, and read its clock."""
        url, before = self._slack.api_url, time.time()
        try:
            answer = await call(web_client(self._slack, None).api_test, "api.test")
        except BusyError as error:
            raise MenteeError(
                f"{url} doesn't answer: {error.text}", hint=f"Make sure this machine can reach it: {BETWEEN}"
            ) from error
        after = time.time()
        # the header counts whole seconds, so it is half of one behind on average
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp() + 0.5
        self._skew = (before + after) / 2 - theirs
        return f"{url} answered in {after - before:.2f} s"

    async def clock(self) -> str:
        """Compare this machine's clock with Slack's."""
        if self._skew is None:
            raise _after("connection")
        off = f"{abs(self._skew):.0f} s {'ahead of' if self._skew > 0 else 'behind'} Slack's"
        if abs(self._skew) > SKEW_SECONDS:
            raise MenteeError(
                f"This machine's clock is {off}; at most {SKEW_SECONDS} s were expected. "
                "Beyond 300 s, every signed request is rejected.",
                hint="Turn on NTP: `timedatectl set-ntp true`.",
            )
        return off

    async def bot_token(self) -> str:
        """Check that Slack accepts the bot token, and learn what it may do and whose it is."""
        client = web_client(self._slack, _token(self._slack, "MENTEE_SLACK_BOT_TOKEN"))
        if self._skew is None:
            raise _after("connection")
        me = await call(client.auth_test, "auth.test")
        self._granted = _granted(me)
        if "users:read" in self._granted:
            self._bot_app = (await call(client.bots_info, "bots.info", bot=me["bot_id"]))["bot"]["app_id"]
        return f"{me['user']} in {me['team']} ({me['team_id']})"

    async def scopes(self) -> str:
        """Compare the bot token's scopes with those that the plugin uses."""
        if self._granted is None:
            raise _after("bot token")
        return _all_granted(self._granted)

    async def credentials(self) -> str:
        """Check that all is set that workspaces install with; only an installation proves it."""
        back = redirect_url(self._settings)
        if not self._slack.client_id:
            raise MenteeError(
                "slack.client_id is not set.", hint="Copy it: Basic Information > App Credentials > Client ID."
            )
        _set(self._slack, "MENTEE_SLACK_CLIENT_SECRET")
        TokenCipher(self._slack)
        return f"client {self._slack.client_id}; Slack leads back to {back}"

    async def workspaces(self) -> str:
        """Check the installation of each workspace that may have one."""
        if self._skew is None:
            raise _after("connection")
        store, problems, fine = Store(self._settings.database_url), [], []
        for team in self._slack.workspaces:
            try:
                fine.append(await self._workspace(Workspaces(self._slack, store), team))
            except TokenRefusedError:
                problems.append(f"{team}: Slack does not accept its token.")
            except MenteeError as error:
                problems.append(f"{team}: {error.text}")
        store.close()
        if problems:
            address = redirect_url(self._settings).replace(REDIRECT_PATH, INSTALL_PATH)
            raise MenteeError(
                " ".join(problems),
                hint=f"An administrator of the workspace must open {address} and install the app again.",
            )
        return ", ".join(fine)

    @staticmethod
    async def _workspace(workspaces: Workspaces, team: str) -> str:
        workspaces.enter(team)
        me = await call(workspaces.client().auth_test, "auth.test")
        _all_granted(_granted(me))
        return f"{me['user']} in {me['team']} ({team})"

    async def app_token(self) -> str:
        """Check that Slack offers a socket for the app-level token."""
        token = _token(self._slack, "MENTEE_SLACK_APP_TOKEN")
        if self._skew is None:
            raise _after("connection")
        client = web_client(self._slack, None)
        opened = await call(client.apps_connections_open, "apps.connections.open", app_token=token)
        self._socket_url = opened["url"]
        return "accepted, with connections:write"

    async def socket(self) -> str:
        """Open a socket until Slack says hello, and see that it belongs to the bot's app."""
        if not self._socket_url:
            raise _after("app token")
        hello = await _hello(self._socket_url)
        if hello.get("type") != "hello":
            reason = str(hello.get("reason", "no hello"))
            raise MenteeError(f"Slack closed the socket: {reason}.", hint=CLOSED.get(reason, "Try again in a minute."))
        app = hello.get("connection_info", {}).get("app_id", "")
        if self._bot_app and app != self._bot_app:
            raise MenteeError(
                f"The bot token belongs to the app {self._bot_app}, the app-level token to {app}.",
                hint="They must belong to the same app. Copy both tokens from the page of one app at https://api.slack.com/apps.",
            )
        return f"opened for {app}; {hello.get('num_connections')} of at most {SOCKETS} open, this one included"

    async def signing_secret(self) -> str:
        """Check the form of the signing secret; only a signed request proves it."""
        found = _set(self._slack, "MENTEE_SLACK_SIGNING_SECRET")
        if not SIGNING_SECRET.fullmatch(found):
            raise MenteeError(
                f"MENTEE_SLACK_SIGNING_SECRET has {len(found)} characters; expected 32 hexadecimal digits.",
                hint=f"Copy it again: {WHERE['MENTEE_SLACK_SIGNING_SECRET']}.",
            )
        return "32 hexadecimal characters"

    async def address(self) -> str:
        """Send the request URL what Slack sends when it is entered."""
        url = request_url(self._settings)
        await verify_address(url, _set(self._slack, "MENTEE_SLACK_SIGNING_SECRET"))
        return f"{url} answers signed requests"


async def verify_address(url: str, signing_secret: str) -> None:
    """Send a signed ``url_verification`` and expect its challenge back.

    :raises MenteeError: nothing answers there, or not as this instance would.
    """
    challenge = secrets.token_hex(8)
    body = json.dumps({"type": "url_verification", "challenge": challenge})
    stamp = str(int(time.time()))
    signature = SignatureVerifier(signing_secret).generate_signature(timestamp=stamp, body=body)
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": str(signature)}
    try:
        async with (
            aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(CALL_SECONDS)) as session,
            session.post(url, data=body, headers={**headers, "Content-Type": "application/json"}) as response,
        ):
            status, text = response.status, await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise MenteeError(
            f"Can't reach {url} from here ({type(error).__name__}).",
            hint="Check that `mentee serve` is running and that your proxy forwards this address to it.",
        ) from error
    if status == 401:  # noqa: PLR2004 - HTTP's Unauthorized
        raise MenteeError(
            f"{url} rejects the signature of MENTEE_SLACK_SIGNING_SECRET.",
            hint="Restart `mentee serve` with the same secret as here, and check the clock.",
        )
    if challenge not in text:
        raise MenteeError(
            f"{url} answers {status} without the challenge, so something other than Mentee answers there.",
            hint="Make sure web.public_url and your proxy lead to `mentee serve`.",
        )


async def _hello(url: str) -> Mapping[str, Any]:
    """Return the first message on a socket, and close it at once: events on it would go unanswered."""
    try:
        async with (
            asyncio.timeout(CALL_SECONDS),
            aiohttp.ClientSession(trust_env=True) as session,
            session.ws_connect(url) as socket,
        ):
            first = await socket.receive()
    except (aiohttp.ClientError, TimeoutError) as error:
        host = urlsplit(url).hostname
        hint = f"Let this machine open WebSockets to {host}: {BETWEEN}"
        raise MenteeError(f"No socket to {host} ({type(error).__name__}).", hint=hint) from error
    return json.loads(first.data) if first.type == aiohttp.WSMsgType.TEXT else {}


def _granted(answer: Any) -> frozenset[str]:
    """Return the scopes that Slack names with every answer."""
    return frozenset(filter(None, re.split(r"[,\s]+", answer.headers.get("X-OAuth-Scopes", ""))))


def _all_granted(granted: frozenset[str]) -> str:
    needed = scopes()
    missing = [f"{scope} (for {', '.join(uses)})" for scope, uses in needed.items() if scope not in granted]
    if missing:
        raise MenteeError(f"The bot token lacks these scopes: {'; '.join(missing)}.", hint=REINSTALL)
    more = ", ".join(sorted(granted - set(needed)))
    return f"all {len(needed)} granted" + (f"; not needed: {more}" if more else "")


def _set(slack: SlackSettings, variable: str) -> str:
    found = secret(slack, variable)
    if not found:
        raise MenteeError(f"{variable} is not set.", hint=f"Copy it from the app's page: {WHERE[variable]}.")
    return found


def _token(slack: SlackSettings, variable: str) -> str:
    found, kind = _set(slack, variable), KINDS[variable]
    if not found.startswith((kind, f"xoxe.{kind}")):
        raise MenteeError(f"{variable} doesn't start with {kind}.", hint=f"Copy it again: {WHERE[variable]}.")
    return found


def _after(check: str) -> MenteeError:
    return MenteeError("Not checked.", hint=f"Fix this first: {check}.")


Check = Callable[[Examination], Awaitable[str]]
COMMON: dict[str, Check] = {
    "transport": Examination.switch,
    "connection": Examination.connection,
    "clock": Examination.clock,
}
ONE: dict[str, Check] = {"bot token": Examination.bot_token, "scopes": Examination.scopes}
SEVERAL: dict[str, Check] = {"app credentials": Examination.credentials, "workspaces": Examination.workspaces}
BY_TRANSPORT: dict[str, dict[str, Check]] = {
    "socket": {"app token": Examination.app_token, "socket": Examination.socket},
    "http": {"signing secret": Examination.signing_secret, "request URL": Examination.address},
}
