"""While its database is down, Mentee acknowledges nothing; Slack delivers again and the question is answered once."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, make_url, text

from bot.storage.tables.delivery import OutboxRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.app import Mentee
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject

LOCKED_SECONDS = 5.0
TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])


@contextmanager
def locked(mentee: Mentee) -> Iterator[None]:
    """Hold the database like another program that writes: nobody else can."""
    if mentee.store.is_sqlite:
        other = sqlite3.connect(str(mentee.store.engine.url.database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()
    else:
        engine = create_engine(mentee.store.engine.url)
        with engine.begin() as connection:
            connection.execute(text("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"))
            yield
        engine.dispose()


@contextmanager
def unreachable(mentee: Mentee) -> Iterator[None]:
    """Take the database away: SQLite's files, or PostgreSQL's connections and the right to connect again."""
    url = mentee.store.engine.url
    if mentee.store.is_sqlite:
        home = mentee.settings.home
        away = home.parent / "away"
        mentee.store.engine.dispose()
        shutil.move(home, away)
        try:
            yield
        finally:
            shutil.rmtree(home, ignore_errors=True)
            shutil.move(away, home)
        return
    server = create_engine(make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS false'))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": url.database}
        )
        try:
            yield
        finally:
            connection.execute(text(f'ALTER DATABASE "{url.database}" ALLOW_CONNECTIONS true'))
    server.dispose()


def refused(delivery: Any) -> Any:
    """Return whether Slack got an error, or over a socket nothing."""
    return delivery.status == 0 or delivery.status >= 500


async def redelivered(slack: FakeSlack, delivery: Any) -> None:
    """Deliver again, as Slack does, until it is taken."""
    for number in range(1, 4):
        await slack.redeliver(delivery, retry=(number, "http_error"))
        if delivery.acknowledged:
            return
        await asyncio.sleep(0.5)


def answers(mentee: Mentee) -> Any:
    with mentee.store.read() as session:
        return session.query(OutboxRow).count()


@TRANSPORTS
async def test_a_locked_database_is_no_acknowledgement_and_then_one_answer(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    with locked(project.mentee):
        since = time.monotonic()
        delivery = await fake_slack.mention("Are hotels tax exempt?", again=False)
        assert refused(delivery)
        assert delivery.seconds < LOCKED_SECONDS
        await asyncio.sleep(max(0.0, LOCKED_SECONDS - (time.monotonic() - since)))
    await redelivered(fake_slack, delivery)
    assert delivery.acknowledged
    await fake_slack.wait_for_post("C1")
    await project.settled()
    assert [post.thread_ts for post in fake_slack.posts()] == [delivery.ts]
    assert answers(project.mentee) == 1


@TRANSPORTS
async def test_a_database_out_of_reach_is_no_acknowledgement_and_then_one_answer(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    with unreachable(project.mentee):
        delivery = await fake_slack.mention("Are hotels tax exempt?", again=False)
        assert refused(delivery)
        assert refused(await fake_slack.redeliver(delivery))
        assert fake_slack.posts() == []
    await redelivered(fake_slack, delivery)
    assert delivery.acknowledged
    await fake_slack.wait_for_post("C1")
    await project.settled()
    assert [post.thread_ts for post in fake_slack.posts()] == [delivery.ts]
    assert answers(project.mentee) == 1
