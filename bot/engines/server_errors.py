"""What can be wrong with a model server, told apart by what helps: another try, another server, or another request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2

from bot.errors import ArtifactError, BusyError, EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL_WAIT = 2.0
"""Seconds to wait for a busy server that does not say how long."""

TOO_LONG = re.compile(r"context length|context_length|maximum context|too many tokens|too long", re.IGNORECASE)
"""How servers word it that a prompt does not fit."""


class ServerFailedError(EngineError):
    """The server is down or fails, whatever it is asked; the next try, or another server, may answer."""


class ServerSlowError(ServerFailedError):
    """The server did not begin in time. Asking it again would only add to its load; another server may answer."""


class ServerLeftAloneError(BusyError):
    """The server failed so often that it is not asked for a while."""


class AdapterUnknownError(EngineError):
    """The server does not have the adapter (any more), as after its restart; it is to be loaded again."""


class AdapterRefusedError(ArtifactError):
    """The server cannot load an adapter that is sound: it does not see its folder, say. Another server may."""


def server_message(response: httpx2.Response) -> str:
    """Return what a server's error body says, at most 300 characters; its formats differ."""
    try:
        body = response.json()
        error = body.get("error", body)
        text = error if isinstance(error, str) else error.get("message") or error.get("detail") or error
    except (ValueError, AttributeError):
        text = response.text
    return str(text)[:300]


async def check_answered(response: httpx2.Response, url: str) -> None:
    """Pass when the server takes the request; else raise what its status means.

    :raises BusyError: it is full; with the time after which it wants to be asked again.
    :raises AdapterUnknownError: it does not know the model's or the adapter's name.
    :raises EngineError: it refuses the request or the key, or it fails.
    """
    if response.status_code == httpx2.codes.OK:
        return
    await response.aread()
    raise status_error(response.status_code, server_message(response), url, response.headers)


def status_error(status: int, problem: str, url: str, headers: Mapping[str, str]) -> Exception:
    """Return the error for a status that the server gave, in its answer's head or in the middle of a stream."""
    if status == httpx2.codes.TOO_MANY_REQUESTS:
        after = headers.get("retry-after", "")
        wait = float(after) if after.replace(".", "", 1).isdigit() else USUAL_WAIT
        return BusyError(f"The server {url} is busy.", retry_after=wait)
    if status in {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}:
        return EngineError(f"The server {url} refused the key: {problem}", hint="Set MENTEE_MODEL_API_KEY.")
    if status == httpx2.codes.NOT_FOUND:
        return AdapterUnknownError(f"The server {url} does not know the model: {problem}")
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        return ServerFailedError(f"The server {url} failed with status {status}: {problem}")
    if TOO_LONG.search(problem):
        hint = "Ask with a shorter question, or let the department use fewer passages."
        return EngineError(f"The prompt is too long for the server {url}: {problem}", hint=hint)
    return EngineError(f"The server {url} refused the request with status {status}: {problem}")


def unreachable(url: str, error: Exception) -> ServerFailedError:
    """Return a failed connection as an error for people."""
    text = f"The server {url} cannot be reached: {error or type(error).__name__}"
    return ServerFailedError(text, hint="Is it running, and is model.server_url right?")
