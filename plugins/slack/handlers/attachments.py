"""Files of a Slack message: fetched with the bot token, from Slack alone, and read where a parser can.

What cannot be fetched or read is an attachment with a problem, so that the answer names it. Slack answers a token that
may not read a file with its sign-in page, by a redirect or as HTML under the file's own address.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from bot.domain.errors import BusyError, MenteeError
from bot.domain.questions import Attachment
from plugins.slack.client.web_api import LONGEST_WAIT, call
from plugins.slack.copy import files as copy
from plugins.slack.items import CHECK_FILE
from retrieval.attachments import read_attachment, refusal
from retrieval.parse.dispatch import parsers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.domain.deliveries import InboxItem
    from bot.domain.ports import Parser
    from bot.hooks.host import PluginHost

FILES = 5
"""Files read of one message."""

MAX_BYTES = 20_000_000
DOWNLOAD_SECONDS = 30
TRIES = 3
"""After so many tries of a question the answer goes on without a file that Slack fails to hand over."""

READERS = 2
"""Files read at the same time: each may take a process of half a gigabyte."""


@dataclass(frozen=True, slots=True)
class SlackFile:
    """What Slack tells of a file."""

    id: str
    name: str
    url: str
    size: int
    mimetype: str
    problem: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> SlackFile:
        """Return the file that Slack tells of, with the reason why there is nothing to fetch."""
        name = str(told.get("name") or told.get("title") or copy.unnamed())
        suffix = told.get("filetype")
        if "." not in name and suffix:
            name = f"{name}.{suffix}"
        size = int(told.get("size") or 0)
        url = str(told.get("url_private_download") or told.get("url_private") or "")
        return cls(str(told.get("id", "")), name, url, size, str(told.get("mimetype", "")), _problem(told, name, size))


class Attachments:
    """Reads the files of messages.

    :param api_url: Slack's address; files elsewhere never get our token.
    :param client: gives the Web API client of the moment.
    """

    def __init__(self, plugins: PluginHost, api_url: str, client: Callable[[], AsyncWebClient]) -> None:
        self._plugins = plugins
        self._api_url = api_url
        self._client = client
        self._reading = asyncio.Semaphore(READERS)

    async def of(self, item: InboxItem) -> tuple[Attachment, ...]:
        """Return what came with a message, each file read or with the reason why not.

        :raises BusyError: Slack does not hand a file over just now.
        """
        told = item.payload.get("files", ())
        parsers = await asyncio.to_thread(parsers_of, self._plugins) if told else {}
        read = [await self._one(each, parsers, item) for each in told[:FILES]]
        names = [SlackFile.of(each).name for each in told[FILES:]]
        return (*read, *(Attachment(name, problem=copy.too_many(name, FILES)) for name in names))

    def missing_question(self, item: InboxItem) -> str:
        """Return what to say to somebody who sent files and no word. Blocking."""
        parsers = parsers_of(self._plugins)
        files = [SlackFile.of(each) for each in item.payload["files"]]
        problems = {file.name: file.problem or refusal(file.name, parsers) for file in files}
        readable = [name for name, problem in problems.items() if not problem]
        return copy.question_missing(readable, [problem for problem in problems.values() if problem])

    async def _one(self, told: Mapping[str, Any], parsers: Mapping[str, Parser], item: InboxItem) -> Attachment:
        file = SlackFile.of(told)
        try:
            file = SlackFile.of(await self._whole(told, item))
            problem = file.problem or refusal(file.name, parsers)
            if problem:
                return Attachment(file.name, problem=problem)
            async with self._reading:
                data = await self._download(file)
                return await asyncio.to_thread(read_attachment, data, file.name, parsers)
        except BusyError:
            if item.attempts < TRIES:
                raise
            return Attachment(file.name, problem=copy.not_handed_over(file.name))
        except MenteeError as error:
            return Attachment(file.name, problem=error.text)

    async def _whole(self, told: Mapping[str, Any], item: InboxItem) -> Mapping[str, Any]:
        """Return all of a file's description: of files from other workspaces, events only give the id.

        :raises MenteeError: the file was not shared where the question was asked.
        """
        if told.get("file_access") != CHECK_FILE:
            return told
        client = self._client()
        file: Mapping[str, Any] = (await call(client.files_info, "files.info", file=told["id"]))["file"]
        shared = {place for kind in ("channels", "groups", "ims") for place in file.get(kind, ())}
        shared |= {place for kind in (file.get("shares") or {}).values() for place in kind}
        if item.payload["channel"] not in shared:  # an id proves nothing: our token reads more than its sender may
            raise MenteeError(copy.not_shared_here(SlackFile.of(file).name))
        return {**file, "file_access": "visible"}

    async def _download(self, file: SlackFile) -> bytes:
        """Return the file's bytes.

        :raises BusyError: Slack asks to wait, fails or cannot be reached.
        :raises MenteeError: Slack does not hand it over, or not from an address of its own.
        """
        client = self._client()
        if not below(file.url, self._api_url):
            raise MenteeError(copy.elsewhere(file.name))
        try:
            async with (
                aiohttp.ClientSession(trust_env=True, timeout=aiohttp.ClientTimeout(DOWNLOAD_SECONDS)) as session,
                session.get(
                    file.url, headers={"Authorization": f"Bearer {client.token}"}, allow_redirects=False
                ) as response,
            ):
                _require_file(response, file)
                data = await response.content.read(MAX_BYTES + 1)
                while len(data) <= MAX_BYTES and not response.content.at_eof():
                    data += await response.content.read(MAX_BYTES + 1 - len(data))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BusyError(f"Slack didn't return the file ({type(error).__name__}).", retry_after=1) from None
        if len(data) > MAX_BYTES:
            raise MenteeError(copy.too_large(file.name, MAX_BYTES))
        if _is_html(response) and len(data) != file.size:
            raise MenteeError(copy.signed_out(file.name))
        return data


def below(url: str, api_url: str) -> bool:
    """Return whether an address is Slack's own: the token may go to no other host, and not in the clear."""
    try:
        own, there = urlsplit(api_url), urlsplit(url)
        host = f".{own.hostname}"
        return (there.scheme, there.port) == (own.scheme, own.port) and f".{there.hostname}".endswith(host)
    except ValueError:
        return False


def _problem(told: Mapping[str, Any], name: str, size: int) -> str:
    """Return why there is nothing to fetch."""
    if told.get("mode") == "tombstone":
        return copy.deleted(name)
    if told.get("mode") == "hidden_by_limit":
        return copy.hidden(name)
    if told.get("is_external"):
        return copy.elsewhere(name)
    return copy.too_large(name, MAX_BYTES) if size > MAX_BYTES else ""


def _require_file(response: aiohttp.ClientResponse, file: SlackFile) -> None:
    status = response.status
    if status == 429 or status >= 500:  # noqa: PLR2004 - HTTP's Too Many Requests and server errors
        wait = min(LONGEST_WAIT, float(response.headers.get("Retry-After", 1)))
        raise BusyError(f"Slack didn't return the file (HTTP {status}).", retry_after=wait)
    if status != 200:  # noqa: PLR2004 - HTTP's OK
        raise MenteeError(copy.signed_out(file.name))
    if _is_html(response) and "html" not in file.mimetype:
        raise MenteeError(copy.signed_out(file.name))


def _is_html(response: aiohttp.ClientResponse) -> bool:
    return response.content_type == "text/html"
