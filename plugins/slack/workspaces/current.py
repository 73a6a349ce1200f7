"""The workspaces an instance serves: the one of its bot token, or several that installed the app by OAuth.

With several, each event and each delivery belongs to one workspace: its token is used, and the ids of its people and
channels carry its id, so that people of different workspaces share no right. Whatever handles an event or a delivery
enters the workspace first; tasks and threads begun there inherit it. People of another company, who come by Slack
Connect, have the id of their own workspace in theirs, also where an instance serves one.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from bot.domain.errors import MenteeError
from plugins.slack.client.web_api import tokens, web_client
from plugins.slack.items import NAME
from plugins.slack.workspaces.encryption import TokenCipher
from plugins.slack.workspaces.tables import InstallationRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.storage.session import Store
    from plugins.slack.settings import SlackSettings

FRESH_SECONDS = 5.0
"""How long a token read from the database is used: so soon every replica knows that an app was uninstalled."""

_current: ContextVar[str] = ContextVar("slack_workspace", default="")
_guest: ContextVar[tuple[str, str]] = ContextVar("slack_guest", default=("", ""))
"""Somebody of another company who sent what is being handled, and their workspace."""


class NotInstalledError(MenteeError):
    """A workspace that has not installed the app, that uninstalled it, or that may not have it any more."""

    status = 403

    def __init__(self, team: str) -> None:
        super().__init__(
            f"The Slack workspace {team or '(unknown)'} has not installed Mentee, or may not.",
            hint="Name it in slack.workspaces, and let its administrator open /slack/install.",
        )


class Workspaces:
    """Gives the Web API client of the workspace that was entered."""

    def __init__(self, slack: SlackSettings, store: Store) -> None:
        self._slack = slack
        self._store = store
        self._known: dict[str, tuple[str, float]] = {}

    @property
    def several(self) -> bool:
        """Whether workspaces install the app by OAuth."""
        return bool(self._slack.workspaces)

    def enter(self, team: str) -> None:
        """Let what follows in this task belong to a workspace; nothing to do where there is only one."""
        _current.set(team if self.several else "")

    def client(self) -> AsyncWebClient:
        """Return the client of the moment.

        :raises NotInstalledError: the workspace has no installation.
        """
        token = self._token(_current.get()) if self.several else tokens(self._slack).bot
        return web_client(self._slack, token)

    def installed(self, team: str) -> bool:
        """Return whether one of several workspaces may use the app and has installed it. Blocking."""
        try:
            return bool(self._token(team))
        except NotInstalledError:
            return False

    def forget(self, team: str) -> None:
        """Read a workspace's installation anew next time."""
        self._known.pop(team, None)

    def _token(self, team: str) -> str:
        token, at = self._known.get(team, ("", 0.0))
        if not token or time.monotonic() - at > FRESH_SECONDS:
            token = self._stored(team)
            self._known[team] = token, time.monotonic()
        return token

    def _stored(self, team: str) -> str:
        with self._store.read() as session:
            row = session.get(InstallationRow, team)
        if row is None or team not in self._slack.workspaces:
            raise NotInstalledError(team)
        return TokenCipher(self._slack).decrypt(row.data["bot_token"], team)


def meet(user: str, team: str) -> None:
    """Let what follows in this task know the workspace of somebody from another company; empty if it is from ours."""
    _guest.set((user, team))


def person_id(user: str, team: str = "") -> str:
    """Return the id of somebody in the workspace entered: ``slack:U024BE7LH``, of several ``slack:T…:U…``.

    :param team: their own workspace, if it is another company's. Whom :func:`meet` named needs none.
    """
    guest, home = _guest.get()
    return _id(user, team or (home if user == guest else ""))


def channel_id(channel: str) -> str:
    """Return the id of a conversation in the workspace entered, likewise."""
    return _id(channel)


def user_of(person: str) -> str:
    """Return Slack's own id of a person."""
    return person.rpartition(":")[2]


def team_of(person: str) -> str:
    """Return the workspace in a person's or a channel's id; empty where there is only one."""
    return person.split(":")[1] if person.count(":") > 1 else ""


def stamped(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an inbox payload or an outbox address with the workspace entered, so that it is entered again later."""
    team = _current.get()
    return {**values, "team": team} if team else {**values}


def current() -> str:
    """Return the workspace entered; empty where there is only one."""
    return _current.get()


def _id(own: str, team: str = "") -> str:
    team = team or _current.get()
    return f"{NAME}:{team}:{own}" if team else f"{NAME}:{own}"
