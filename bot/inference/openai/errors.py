"""Errors of a model server, by what helps: a retry, another server, or another request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2

from bot.domain.errors import ArtifactError, BusyError, EngineError, PromptTooLongError

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL_WAIT = 2.0
"""Seconds to wait for a busy server that sends no Retry-After."""

TOO_LONG = re.compile(r"context length|context_length|maximum context|too many tokens|too long", re.IGNORECASE)
"""How servers say that a prompt is too long."""


class ServerFailedError(EngineError):
    """The server is down or failing; a retry, or another server, may succeed."""


class ServerSlowError(ServerFailedError):
    """The server didn't start answering in time. A retry would add to its load; another server may answer."""


class CircuitOpenError(BusyError):
    """The server's circuit breaker is open."""


class AdapterUnknownError(EngineError):
    """The server doesn't have the adapter, for example after a restart; load it again."""


class AdapterRefusedError(ArtifactError):
    """The server can't load a valid adapter, for example because it can't see its folder. Another server may."""


def server_message(response: httpx2.Response) -> str:
    """Return the message in a server's error body, up to 300 characters; formats differ."""
    try:
        body = response.json()
        error = body.get("error", body)
        text = error if isinstance(error, str) else error.get("message") or error.get("detail") or error
    except (ValueError, AttributeError):
        text = response.text
    return str(text)[:300]


async def check_answered(response: httpx2.Response, url: str) -> None:
    """Raise the error for a response's status, unless it is 200.

    :raises BusyError: the server is full; ``retry_after`` says when to retry.
    :raises AdapterUnknownError: it doesn't know the model's or the adapter's name.
    :raises EngineError: it refused the request or the key, or it failed.
    """
    if response.status_code == httpx2.codes.OK:
        return
    await response.aread()
    raise status_error(response.status_code, server_message(response), url, response.headers)


def status_error(status: int, problem: str, url: str, headers: Mapping[str, str]) -> Exception:
    """Return the error for a status, from the response's head or from the middle of a stream."""
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        after = headers.get("retry-after", "")
        wait = float(after) if after.replace(".", "", 1).isdigit() else USUAL_WAIT
        return BusyError(f"The server {url} is busy.", retry_after=wait)
    if status in {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}:
        return EngineError(f"The server {url} rejected the API key: {problem}", hint="Set MENTEE_MODEL_API_KEY.")
    if status == httpx2.codes.NOT_FOUND:
        return AdapterUnknownError(f"The server {url} doesn't know the model: {problem}")
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        return ServerFailedError(f"The server {url} failed with status {status}: {problem}")
    if TOO_LONG.search(problem):
        hint = "Ask a shorter question, or lower the department's setting answers.passages."
        return PromptTooLongError(f"The prompt is too long for the server {url}: {problem}", hint=hint)
    return EngineError(f"The server {url} refused the request with status {status}: {problem}")


def unreachable(url: str, error: Exception) -> ServerFailedError:
    """Return the error for a failed connection."""
    text = f"The server {url} can't be reached: {error or type(error).__name__}"
    return ServerFailedError(text, hint="Check that it is running and that model.server_url is right.")
