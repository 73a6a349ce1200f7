"""Calls to Slack's Web API: limited in time, never retried behind our back, failures by name."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.errors import BusyError, MenteeError, SettingsError
from bot.observability.logs import quiet, redacted_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import SecretStr

    from plugins.slack.settings import SlackSettings

CALL_SECONDS = 10
LONGEST_WAIT = 300.0
TOKEN_WAIT = 60.0
TOKEN_ERRORS = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"}
)
GONE = frozenset({"message_not_found", "channel_not_found", "is_archived"})
"""Refusals of ``chat.delete`` that mean that nothing is left to delete, or that nobody can."""
WHERE = {
    "MENTEE_SLACK_BOT_TOKEN": "OAuth & Permissions > Bot User OAuth Token (xoxb-…)",
    "MENTEE_SLACK_APP_TOKEN": "Basic Information > App-Level Tokens, scope connections:write (xapp-…)",
    "MENTEE_SLACK_SIGNING_SECRET": "Basic Information > App Credentials > Signing Secret",
    "MENTEE_SLACK_CLIENT_SECRET": "Basic Information > App Credentials > Client Secret",
}
NEEDED = {"socket": "MENTEE_SLACK_APP_TOKEN", "http": "MENTEE_SLACK_SIGNING_SECRET"}
REINSTALL = (
    "Paste what `mentee slack manifest` prints into the app's page under App Manifest, save, "
    "then Install App > Reinstall."
)


class SlackRefusedError(MenteeError):
    """Slack answered ``ok: false``; ``name`` is its own name of the error, ``needed`` the scope that is missing."""

    status = 502

    def __init__(self, method: str, name: str, needed: str = "") -> None:
        problem = f"{name} {needed}".rstrip()
        page = f"https://docs.slack.dev/reference/methods/{method}"
        super().__init__(f"Slack refused {method}: {problem}.", hint=REINSTALL if needed else page)
        self.name = name


class RateLimitedError(BusyError):
    """Slack asks to wait; the call took no effect."""


class TokenRefusedError(BusyError):
    """Slack does not accept our token. What is under way waits until an operator has replaced it."""

    def __init__(self, variable: str, name: str) -> None:
        super().__init__(
            f"Slack does not accept {variable}: {name}.",
            retry_after=TOKEN_WAIT,
            hint=f"Copy it anew and restart: {WHERE[variable]}.",
        )

    def at_start(self) -> SettingsError:
        """Return the error that ends a start."""
        return SettingsError(self.text, hint=self.hint)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The secrets of the Slack app; those the transport does not need may be empty."""

    bot: str
    app: str
    signing_secret: str
    client_secret: str


class _Redaction(logging.Filter):
    """Masks secrets and bounds the length of what Slack's libraries log; they log whole requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted_text(record.getMessage()), ()
        return True


quiet("slack_bolt", "slack_sdk")
LOGGER = logging.getLogger("slack_sdk.mentee")
"""The logger given to Slack's libraries, which copy its level and filters. Below WARNING they log message texts."""
LOGGER.setLevel(logging.WARNING)
LOGGER.addFilter(_Redaction())


def tokens(slack: SlackSettings) -> Tokens:
    """Return the secrets that the transport needs.

    :raises SettingsError: one is not set; the text names every missing one and where Slack shows it.
    """
    values = {name: secret(slack, name) for name in WHERE}
    transport = slack.transport
    missing = [name for name in needed(slack) if not values[name]]
    if slack.workspaces and transport != "off" and not slack.client_id:
        raise SettingsError(
            "slack.workspaces is set, but slack.client_id is not set.",
            hint="Copy it from the app's page: Basic Information > App Credentials > Client ID.",
        )
    if missing:
        where = "\n".join(f"  {name}: {WHERE[name]}" for name in missing)
        raise SettingsError(
            f'slack.transport is "{transport}", but not set: {", ".join(missing)}.',
            hint=f"Set it in the environment, from your app's page at https://api.slack.com/apps:\n{where}\n"
            'docs/how-to/slack.md shows each step; slack.transport = "off" starts without Slack.',
        )
    return Tokens(*values.values())


def needed(slack: SlackSettings) -> tuple[str, ...]:
    """Return the environment variables that must be set: the token, or what several workspaces install with."""
    if slack.transport == "off":
        return ()
    identity = "MENTEE_SLACK_CLIENT_SECRET" if slack.workspaces else "MENTEE_SLACK_BOT_TOKEN"
    return identity, NEEDED[slack.transport]


def secret(slack: SlackSettings, variable: str) -> str:
    """Return a secret by its environment variable, one of :data:`WHERE`; empty when it is not set."""
    value: SecretStr | None = getattr(slack, variable.removeprefix("MENTEE_SLACK_").lower())
    return value.get_secret_value().strip() if value else ""


def web_client(slack: SlackSettings, token: str | None) -> AsyncWebClient:
    """Make a client. Our outbox obeys ``Retry-After`` for one conversation; the SDK's handlers would sleep for all."""
    return AsyncWebClient(token, base_url=slack.api_url, timeout=CALL_SECONDS, retry_handlers=[], logger=LOGGER)


async def call(method: Callable[..., Awaitable[Any]], name: str, /, *, attempts: int = 0, **arguments: Any) -> Any:
    """Call a method of the Web API.

    :param name: the method's name for error texts, such as ``chat.postMessage``.
    :param attempts: earlier tries, to wait longer each time Slack cannot be reached.
    :raises BusyError: Slack is failing or cannot be reached; whether the call took effect is not known.
    :raises RateLimitedError: Slack asks to wait (a kind of :class:`~bot.domain.errors.BusyError`).
    :raises TokenRefusedError: Slack does not accept the token (a kind of :class:`~bot.domain.errors.BusyError`).
    :raises SlackRefusedError: Slack refused the call itself.
    """
    wait = min(LONGEST_WAIT, 2.0**attempts)
    try:
        return await method(**arguments)
    except SlackApiError as error:
        raise _as_ours(error, name, wait) from None  # the SDK's error carries the whole response
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BusyError(f"Can't reach Slack for {name} ({type(error).__name__}).", retry_after=wait) from error


async def direct_conversation(client: AsyncWebClient, user: str) -> str:
    """Return the id of our direct conversation with a person.

    :raises MenteeError: Slack does not open it.
    """
    opened = await call(client.conversations_open, "conversations.open", users=user)
    return str(opened["channel"]["id"])


def _as_ours(error: SlackApiError, name: str, wait: float) -> MenteeError:
    response = error.response
    status, headers, data = response.status_code, response.headers, response.data
    if status == 429:  # noqa: PLR2004 - HTTP's Too Many Requests
        return RateLimitedError(
            f"Slack asks Mentee to wait before {name}.", retry_after=float(headers.get("Retry-After", LONGEST_WAIT))
        )
    if not isinstance(data, dict) or status >= 500:  # noqa: PLR2004 - HTTP's server errors
        return BusyError(f"Slack failed in {name} (HTTP {status}).", retry_after=wait)
    problem = str(data.get("error", "unknown_error"))
    if problem in TOKEN_ERRORS or (problem == "missing_scope" and name == "apps.connections.open"):
        variable = "MENTEE_SLACK_APP_TOKEN" if name == "apps.connections.open" else "MENTEE_SLACK_BOT_TOKEN"
        return TokenRefusedError(variable, problem)
    return SlackRefusedError(name, problem, str(data.get("needed", "")))
