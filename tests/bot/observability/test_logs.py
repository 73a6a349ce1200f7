from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bot.observability import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.storage.session import Store

SECRETS = [
    "xoxb-123-456-abcDEF",
    "xapp-1-A1-2-deadbeef",
    "Authorization: Bearer eyJhbGciOi.abc",
    "X-Slack-Signature: v0=0123456789abcdef0123456789abcdef",
    "postgresql://mentee:hunter2@db/mentee",
    "Cookie: mentee=abcdefghijklmnopqrstuvwxyz012345",
]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Any]]]:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own would be closed
    levels = {name: logging.getLogger(name).level for name in ("", *logs.CHATTY)}
    logs.configure(json=True)
    written = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_masked_in_our_logs_and_in_those_of_libraries(lines: Callable[[], list[Any]], secret: str) -> None:
    value = secret.rsplit(maxsplit=1)[-1].rpartition("=")[2].rpartition("://")[2].partition("@")[0]
    structlog.get_logger("ours").info("found", where=f"in {secret} here", deep={"list": [secret]})
    logging.getLogger("a.library").warning("found %s", secret)
    shown = lines()
    assert len(shown) == 2
    assert value not in json.dumps(shown)
    assert logs.MASK in json.dumps(shown[0])


def test_values_under_telling_names_are_masked_whatever_they_hold(lines: Callable[[], list[Any]]) -> None:
    structlog.get_logger("ours").info("asked", text="my salary", password="p", bot_token="t", department="hr")
    (line,) = lines()
    assert (line["text"], line["password"], line["bot_token"], line["department"]) == (logs.MASK,) * 3 + ("hr",)


def test_a_long_traceback_keeps_the_error_that_it_ends_with(lines: Callable[[], list[Any]]) -> None:
    def fail(depth: int) -> None:
        if not depth:
            raise ValueError("the disk is full")
        fail_again(depth - 1)

    def fail_again(depth: int) -> None:
        fail(depth)

    try:
        fail(30)
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    (line,) = lines()
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: the disk is full")
    assert len(line["exception"]) < 2 * logs.MAX_CHARS


def test_a_library_cannot_fill_the_disk(lines: Callable[[], list[Any]]) -> None:
    logging.getLogger("a.library").warning("body: %s", "x" * 1_000_000)
    (line,) = lines()
    assert len(line["event"]) < 2_100


def test_slack_bolt_does_not_log_bodies_at_info(
    lines: Callable[[], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.quiet("slack_bolt")  # as the Slack plugin does
    logger = logging.getLogger("slack_bolt.AsyncApp")
    monkeypatch.setattr(logger, "level", logging.INFO)  # as slack_bolt may set it
    logger.info("Invalid request signature detected: {body}")
    assert lines() == []


def test_a_traceback_is_logged_without_the_secret_in_it(lines: Callable[[], list[Any]]) -> None:
    try:
        int("no answer from xoxb-123-456-abcDEF")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    (line,) = lines()
    assert "Traceback" in line["exception"]
    assert "xoxb" not in line["exception"]


def test_a_row_that_the_database_quotes_is_masked(lines: Callable[[], list[Any]], store: Store) -> None:
    words = "I was fired\n\nyesterday"  # not in the traceback's own lines
    try:
        with store.write() as session:
            session.execute(text("CREATE TEMPORARY TABLE asked (words text NOT NULL, more text NOT NULL)"))
            session.execute(text("INSERT INTO asked VALUES (:words, NULL)"), {"words": words})
    except IntegrityError:
        structlog.get_logger("test").exception("not_stored")
    line = lines()[-1]
    assert "IntegrityError" in line["exception"]
    assert "fired" not in line["exception"]
    assert "yesterday" not in line["exception"]
