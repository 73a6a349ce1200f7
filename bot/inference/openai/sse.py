"""Parses the server-sent events with which servers of the OpenAI API stream answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.domain.errors import EngineError
from bot.domain.generation import Refusal
from bot.inference.openai.errors import ServerFailedError, status_error

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import httpx2

ABORTED = {"abort", "error"}
"""Finish reasons of incomplete answers: vLLM sends them when it stops or fails."""

FILTERED = "content_filter"
"""The finish reason of an answer that the server withholds, or the rest of it."""


async def answer_pieces(response: httpx2.Response, url: str) -> AsyncGenerator[str, None]:
    """Yield an answer's non-empty pieces of text, and as its last piece a refusal, if the server sends one.

    :raises ServerFailedError: the stream broke off, or the server sent an error in it.
    :raises EngineError: the stream isn't an answer.
    """
    whole = False
    async for data in _data(response):
        if data == "[DONE]":
            return
        event = _event(data, url)
        if error := event.get("error"):
            raise _stream_error(error, url)
        for choice in event.get("choices") or ():
            reason = choice.get("finish_reason")
            if reason in ABORTED:
                raise ServerFailedError(f"The server {url} broke off mid-answer ({reason}).")
            whole = whole or bool(reason)
            delta = choice.get("delta") or {}
            if text := _text(delta.get("content")):
                yield text
            refusal = _text(delta.get("refusal"))
            if refusal or reason == FILTERED:
                yield Refusal(refusal)
                return
    if not whole:
        raise ServerFailedError(f"The server {url} broke off mid-answer.")


def _text(content: Any) -> str:
    """Return a delta's text. Some servers send a list of parts; those of other types, such as thoughts, are none."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    texts = (
        part if isinstance(part, str) else part.get("text") if part.get("type", "text") == "text" else ""
        for part in parts
        if isinstance(part, str | dict)
    )
    return "".join(text for text in texts if isinstance(text, str))


async def _data(response: httpx2.Response) -> AsyncIterator[str]:
    """Yield the data of each event, leaving out comments and other fields."""
    async for line in _lines(response):
        if line.startswith(b"data:"):
            yield line.removeprefix(b"data:").strip().decode("utf-8", errors="replace")


async def _lines(response: httpx2.Response) -> AsyncIterator[bytes]:
    # Not aiter_lines(), which also splits at U+2028 and similar: vLLM sends those unescaped inside JSON.
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def _event(data: str, url: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError as error:
        raise EngineError(f"The server {url} sent something that isn't an answer: {error}.") from error
    if not isinstance(event, dict):
        raise EngineError(f"The server {url} sent something that isn't an answer: {data[:100]}.")
    return event


def _stream_error(error: Any, url: str) -> Exception:
    body = error if isinstance(error, dict) else {"message": error}
    code, problem = body.get("code"), str(body.get("message", error))[:300]
    if isinstance(code, int) and code >= 400:  # noqa: PLR2004 - HTTP's own number
        return status_error(code, problem, url, {})
    return ServerFailedError(f"The server {url} failed mid-answer: {problem}")
