"""Fixtures for tests against Slack: ``fake_slack``, the far end, and ``slack_project``, an instance connected to it.

They are asynchronous: your project needs pytest-asyncio with ``asyncio_mode = "auto"``.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from bot.testing import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    import uvicorn

    from bot.domain.departments import DepartmentSpec
    from bot.server.lifespan import Runtime
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome, Mentee
    from plugins.slack.testing import FakeSlack, Post

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
ANSWER = "Hotels are tax exempt in 12 states [1]."


@dataclass(slots=True)
class SlackProject:
    """An instance that serves Slack, with a scripted engine and a few notes as documents."""

    mentee: Mentee
    slack: FakeSlack
    engine: ScriptedEngine
    runtime: Runtime
    transport: str
    url: str = ""
    _server: uvicorn.Server | None = None
    _serving: asyncio.Task[None] | None = None
    _ended: bool = field(default=False)

    async def start(self) -> None:
        """Start serving: the channel and the workers, and for ``http`` a server on a free port."""
        if self.transport == "socket":
            await self.runtime.start()
            await self.slack.wait_for_socket()
            return
        import uvicorn

        from bot.server.app import build_app

        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(build_app(self.mentee, self.runtime), log_config=None, lifespan="on")
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve([listener]))
        while not self._server.started:
            if self._serving.done():
                raise AssertionError("the server did not start; its log says why")
            await asyncio.sleep(0.01)
        self.slack.events_url = f"{self.url}/slack/events"

    async def ask(self, text: str, channel: str = "C1") -> Post:
        """Ask as U1, by a mention in a channel or by a direct message (``D…``); return the post with the answer."""
        before = len(self.slack.posts(channel))
        ask = self.slack.message if channel.startswith("D") else self.slack.mention
        await ask(text, channel=channel)
        post = await self.slack.wait_for_post(channel, count=before + 1)
        await self.settled()
        return post

    async def settled(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait until everything accepted so far is handled and delivered.

        :raises TimeoutError: something is left.
        """
        async with asyncio.timeout(seconds):
            while await self.mentee.store.run(self._unfinished):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)

    def _unfinished(self) -> bool:
        return bool(self.mentee.inbox.backlog().unfinished or self.mentee.outbox.backlog().unfinished)

    async def stop(self) -> None:
        """Stop as on SIGTERM."""
        if self._ended:
            return
        self._ended = True
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
        else:
            await self.runtime.stop()


class MakeSlackProject(Protocol):
    """What the ``slack_project`` fixture is."""

    async def __call__(
        self,
        transport: str = "socket",
        *,
        departments: Sequence[str | DepartmentSpec] = ("travel", "it"),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        plugins: Mapping[str, Any] | None = None,
        start: bool = True,
    ) -> SlackProject:
        """Make an instance connected to ``fake_slack``; it is stopped when the test ends.

        :param transport: ``socket`` or ``http``.
        :param plugins: plugins given by name, beside Slack and the notes.
        :param start: whether it serves already.
        """


@pytest.fixture
async def fake_slack(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeSlack]:
    """A started :class:`~plugins.slack.testing.FakeSlack`."""
    from plugins.slack.testing import FakeSlack

    for name in PROXIES:  # the SDK sends even loopback through a proxy named there
        monkeypatch.delenv(name, raising=False)
    async with FakeSlack() as slack:
        yield slack


@pytest.fixture
async def slack_project(
    fake_slack: FakeSlack, make_home: MakeHome, scripted_engine: ScriptedEngine
) -> AsyncIterator[MakeSlackProject]:
    """Return a function that makes instances connected to ``fake_slack``; see :class:`MakeSlackProject`."""
    from bot.server.lifespan import Runtime
    from bot.testing.notes import NotesRetriever, make_plugin

    made: list[SlackProject] = []
    scripted_engine.answer = ANSWER

    async def make(
        transport: str = "socket",
        *,
        departments: Sequence[str | DepartmentSpec] = ("travel", "it"),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        plugins: Mapping[str, Any] | None = None,
        start: bool = True,
    ) -> SlackProject:
        retriever = NotesRetriever()
        given = {"notes": make_plugin(register_retriever=lambda instance: retriever), **(plugins or {})}  # noqa: ARG005 - the hook passes it by name
        mentee = make_home(
            departments=departments,
            settings=slack_settings(fake_slack, transport, settings),
            secrets=slack_secrets(),
            engine=scripted_engine,
            built_in=("plugins.slack",),
            extra_plugins=given,
        )
        project = SlackProject(mentee, fake_slack, scripted_engine, Runtime(mentee, queues=()), transport)
        made.append(project)
        if start:
            await project.start()
        return project

    yield make
    for project in made:
        await project.stop()


def slack_settings(
    slack: FakeSlack, transport: str, more: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Mapping[str, Any]]:
    """Return the sections of ``mentee.toml`` that point an instance at the fake.

    Answers come whole unless the test sets ``streaming``: how much of one is seen when depends on the machine.
    """
    given = dict(more or {})
    own = {"transport": transport, "api_url": slack.api_url, "streaming": "off"}
    return {**given, "slack": {**own, **given.get("slack", {})}}


def slack_secrets() -> dict[str, str]:
    """Return the secrets the fake accepts, by environment variable without ``MENTEE_``."""
    from plugins.slack.testing.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET

    return {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN, "SLACK_SIGNING_SECRET": SIGNING_SECRET}
