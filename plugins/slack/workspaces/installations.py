"""Installations and their one-time states in our database, behind the interfaces that slack_sdk gives them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from sqlalchemy import delete, select

from bot.access.audit import note_change
from bot.domain.identifiers import now
from plugins.slack.client.web_api import LOGGER
from plugins.slack.items import NAME
from plugins.slack.workspaces.tables import InstallationRow, InstallationStateRow

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from bot.storage.session import Store
    from plugins.slack.workspaces.encryption import TokenCipher

STATE_SECONDS = 600
KEPT = ("app_id", "team_id", "team_name", "bot_token", "bot_id", "bot_user_id", "bot_scopes", "user_id")
"""What is stored of an installation: nothing of the installer but who it was."""


@dataclass(frozen=True, slots=True)
class WorkspaceInstalled:
    """An event for other plugins: the app was installed in a workspace."""

    team: str
    name: str


@dataclass(frozen=True, slots=True)
class WorkspaceUninstalled:
    """An event for other plugins: a workspace removed the app."""

    team: str


class Installations(AsyncInstallationStore):
    """One installation for each workspace: the bot's. A later one replaces an earlier one.

    :param cipher: returns what encrypts the tokens; asked for only when there is one.
    :param publish: tells other plugins of an event.
    """

    def __init__(self, store: Store, cipher: Callable[[], TokenCipher], publish: Callable[[object], None]) -> None:
        self._store = store
        self._cipher = cipher
        self._publish = publish

    @property
    def logger(self) -> Logger:
        """The redacting logger."""
        return LOGGER

    async def async_save(self, installation: Installation) -> None:
        """Store an installation and note who made it."""
        await self._store.run(self._save, installation)

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """Return the bot of a workspace."""
        found = await self.async_find_installation(
            enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
        )
        return found.to_bot() if found else None

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,  # noqa: ARG002 - the interface's; an organisation is not installed as a whole
        team_id: str | None,
        user_id: str | None = None,  # noqa: ARG002 - likewise: the bot's is the only one
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        """Return the installation of a workspace."""
        return None if is_enterprise_install else await self._store.run(self._find, team_id or "")

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:  # noqa: ARG002 - as above
        """Forget a workspace and its token."""
        await self._store.run(self._delete, team_id or "")

    async def async_delete_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
    ) -> None:
        """Do nothing: people have no token of their own."""

    def _save(self, installation: Installation) -> None:
        told, team = installation.to_dict(), str(installation.team_id)
        with self._store.write() as session:
            row = session.get(InstallationRow, team) or InstallationRow(workspace=team)
            row.data, row.installed_at = {key: told[key] for key in KEPT}, now()
            row.data["bot_token"] = self._cipher().encrypt(told["bot_token"])
            session.add(row)
            actor, detail = f"{NAME}:{team}:{installation.user_id}", {"name": installation.team_name}
            note_change(session, actor=actor, action="slack.install", subject=team, detail=detail)
        self._publish(WorkspaceInstalled(team, installation.team_name or ""))

    def _find(self, team: str) -> Installation | None:
        with self._store.read() as session:
            row = session.get(InstallationRow, team)
        if row is None:
            return None
        token = self._cipher().decrypt(row.data["bot_token"], team)
        return Installation(**{**row.data, "bot_token": token}, installed_at=row.installed_at)

    def encrypt_again(self) -> int:
        """Encrypt every token with the first key, and return how many there are.

        :raises SettingsError: no key decrypts one of them; nothing is changed.
        """
        cipher = self._cipher()
        with self._store.write() as session:
            rows = list(session.scalars(select(InstallationRow)))
            for row in rows:
                token = cipher.decrypt(row.data["bot_token"], row.workspace)
                row.data = {**row.data, "bot_token": cipher.encrypt(token)}
            note_change(session, actor="command line", action="slack.encrypt-tokens", subject=f"{len(rows)} workspaces")
        return len(rows)

    def _delete(self, team: str) -> None:
        with self._store.write() as session:
            row = session.get(InstallationRow, team)
            if row is None:
                return
            session.delete(row)
            note_change(session, actor=NAME, action="slack.uninstall", subject=team)
        self._publish(WorkspaceUninstalled(team))


class States(AsyncOAuthStateStore):
    """Tokens that tie Slack's answer to the browser that began; each ends one installation, within ten minutes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def logger(self) -> Logger:
        """The redacting logger."""
        return LOGGER

    async def async_issue(self, *_args: Any, **_more: Any) -> str:
        """Return a new token; those that ran out are swept."""
        return await self._store.run(self._issue)

    async def async_consume(self, state: str) -> bool:
        """Return whether the token is one of ours, in time, and not used yet."""
        return await self._store.run(self._consume, state)

    def _issue(self) -> str:
        state, at = secrets.token_urlsafe(32), now()
        with self._store.write() as session:
            session.execute(delete(InstallationStateRow).where(InstallationStateRow.expires_at < at))
            expires = at + timedelta(seconds=STATE_SECONDS)
            session.add(InstallationStateRow(id=_hashed(state), expires_at=expires))
        return state

    def _consume(self, state: str) -> bool:
        with self._store.write() as session:
            row = session.get(InstallationStateRow, _hashed(state), with_for_update=True)
            if row is None:
                return False
            session.delete(row)
            return row.expires_at >= now()


def _hashed(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
