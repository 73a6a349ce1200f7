"""The text in a stream of server-sent events, as servers of the OpenAI API send answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.engines.server_errors import ServerFailedError, status_error
from bot.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import httpx2

TORN = {"abort", "error"}
"""Reasons to finish that mean the answer is not whole: vLLM gives them to what runs while it stops or fails."""


async def answer_pieces(response: httpx2.Response, url: str) -> AsyncGenerator[str, None]:
    """Yield an answer's pieces of text, none of them empty, until its end.

    :raises ServerFailedError: the stream broke off, or the server tells of its failure inside of it.
    :raises EngineError: what comes is no answer.
    """
    whole = False
    async for data in _data(response):
        if data == "[DONE]":
            return
        event = _event(data, url)
        if error := event.get("error"):
            raise _told(error, url)
        for choice in event.get("choices") or ():
            reason = choice.get("finish_reason")
            if reason in TORN:
                raise ServerFailedError(f"The server {url} broke off in mid-answer ({reason}).")
            whole = whole or bool(reason)
            if text := (choice.get("delta") or {}).get("content"):
                yield text
    if not whole:
        raise ServerFailedError(f"The server {url} broke off in mid-answer.")


async def _data(response: httpx2.Response) -> AsyncIterator[str]:
    """Yield the data of each event. Comments, which keep a connection alive, and other fields are left out."""
    async for line in _lines(response):
        if line.startswith(b"data:"):
            yield line.removeprefix(b"data:").strip().decode("utf-8", errors="replace")


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    # Not aiter_lines(), which also ends a line at U+2028 and its like: vLLM sends those as they are, inside of JSON.
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def _event(data: str, url: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError as error:
        raise EngineError(f"The server {url} sent something that is no answer: {error}.") from error
    if not isinstance(event, dict):
        raise EngineError(f"The server {url} sent something that is no answer: {data[:100]}.")
    return event


def _told(error: Any, url: str) -> Exception:
    """Return the error that a server tells of in its stream."""
    told = error if isinstance(error, dict) else {"message": error}
    code, problem = told.get("code"), str(told.get("message", error))[:300]
    if isinstance(code, int) and code >= 400:  # noqa: PLR2004 - HTTP's own number
        return status_error(code, problem, url, {})
    return ServerFailedError(f"The server {url} failed in mid-answer: {problem}")
