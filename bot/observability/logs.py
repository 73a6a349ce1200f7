"""Logs: one configuration for ours and for every library's, with one redaction for both.

No user text, token or secret reaches a log. Values under telling names are masked whatever they hold, and texts are
searched for the shapes of Slack tokens, bearer values and passwords in addresses.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import structlog

from bot.observability.redaction import SECRET, without_remembered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "[masked]"
MAX_CHARS = 2_000
"""So that a library that logs whole requests can't fill the disk. Of longer texts, begin and end are kept: a traceback
ends with the error."""

SECRET_SHAPES = (
    SECRET,
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]+"),
    re.compile(r"v0=[0-9a-f]{16,}"),
    re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"),
    re.compile(r"(?i)(?<=mentee=)[A-Za-z0-9_-]{20,}"),
    re.compile(r"(?s)(?<=DETAIL:  )(?:(?!\n\[SQL: |\n\(Background on |\n\nThe above exception ).)+"),
)
"""In addition: what follows "bearer", signatures, passwords in URLs, session tokens, and the row that PostgreSQL quotes
when it refuses it."""

SECRET_NAMES = frozenset({"password", "token", "secret", "authorization", "cookie", "signature", "api_key"})
USER_TEXT_NAMES = frozenset(
    {"text", "body", "payload", "question", "answer", "draft", "prompt", "correction", "comment"}
)
CHATTY = {"alembic", "aiohttp.access", "uvicorn", "httpx2", "sqlalchemy.engine", "faiss"}
"""Libraries whose INFO messages are request bodies or noise; plugins add theirs by :func:`quiet`."""


def configure(*, json: bool | None = None, level: int = logging.INFO) -> None:
    """Send every log line of the process to stderr, redacted.

    :param json: one JSON object a line; by default where stderr is no terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    renderer: Processor = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    handler.addFilter(_worth_writing)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    quiet(*CHATTY)


def quiet(*libraries: str) -> None:
    """Log only warnings and errors of these libraries."""
    CHATTY.update(libraries)
    for name in libraries:  # what is not made costs nothing
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask secrets and user text in a log event (a structlog processor)."""
    return {key: value if key.startswith("_") else _redacted(key, value) for key, value in event.items()}


def redacted_text(text: str) -> str:
    """Return the text with remembered secrets and everything that looks like one masked, and bounded in length."""
    text = without_remembered(text, MASK)
    for shape in SECRET_SHAPES:
        text = shape.sub(MASK, text)
    if len(text) <= MAX_CHARS:
        return text
    half = MAX_CHARS // 2
    return f"{text[:half]}… ({len(text):,} characters) …{text[-half:]}"


def _worth_writing(record: logging.LogRecord) -> bool:
    """Return whether a record is to be written: of chatty libraries, warnings only.

    Asked of each record, since some libraries give loggers under their name levels of their own.
    """
    if record.levelno >= logging.WARNING:
        return True
    return not any(f"{record.name}.".startswith(f"{library}.") for library in CHATTY)


def _redacted(key: str, value: Any) -> Any:
    name = key.lower()
    if name in USER_TEXT_NAMES or any(_names_secret(name, secret) for secret in SECRET_NAMES):
        return MASK
    if isinstance(value, str):
        return redacted_text(value)
    if isinstance(value, dict):
        return {inner: _redacted(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_redacted("", item) for item in _bounded(value)]
    return value if isinstance(value, int | float | bool | None) else redacted_text(str(value))


def _names_secret(name: str, secret: str) -> bool:
    return name == secret or name.endswith((f"_{secret}", f"-{secret}"))


def _bounded(values: Iterable[Any]) -> list[Any]:
    return list(values)[:50]
