"""Files that people share in the fake Slack: described as in its events, handed over for a token that may read them."""

from __future__ import annotations

import itertools
import mimetypes
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from plugins.slack.testing.payloads import TEAM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIGN_IN_PAGE = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to Fake</body></html>"


class FileMissingError(Exception):
    """There is no file of that id."""


class Files:
    """The files of the workspace.

    ``refusal`` is how a token that may not read a file is answered: Slack does both.

    :param may_read: whether a token may read files.
    :param base: the fake's own address.
    """

    def __init__(self, may_read: Callable[[str], bool], base: Callable[[], str]) -> None:
        self.refusal: Literal["redirect", "page"] = "redirect"
        self.described: dict[str, dict[str, Any]] = {}
        self._data: dict[str, bytes] = {}
        self._may_read = may_read
        self._base = base
        self._numbers = itertools.count(1)

    def add(self, name: str, data: bytes, *, user: str = "U1", mimetype: str = "", **parts: Any) -> dict[str, Any]:
        """Upload a file and return it as Slack describes it; ``parts`` replace or add fields (``mode``, …)."""
        number = f"F{next(self._numbers):04d}"
        address = f"{self._base()}/files-pri/{TEAM}-{number}/{name}"
        suffix = PurePosixPath(name).suffix.removeprefix(".")
        self._data[number] = data
        self.described[number] = {
            "id": number, "created": 1_790_000_000, "name": name, "title": name, "user": user, "size": len(data),
            "mimetype": mimetype or mimetypes.guess_type(name)[0] or "application/octet-stream",
            "filetype": suffix or "binary", "pretty_type": suffix.upper(), "mode": "hosted", "editable": False,
            "is_external": False, "external_type": "", "is_public": False, "public_url_shared": False,
            "file_access": "visible", "url_private": address, "url_private_download": address,
            "channels": [], "groups": [], "ims": [], **parts,
        }  # fmt: skip
        return self.described[number]

    def share(self, file: Mapping[str, Any], channel: str) -> None:
        """Note that a file was shared in a conversation."""
        described = self.described.get(file["id"])
        if described is not None:
            described["ims" if channel.startswith("D") else "channels"].append(channel)

    def info(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``files.info``.

        :raises FileMissingError: there is no such file.
        """
        if arguments["file"] not in self.described:
            raise FileMissingError
        return {"file": {**self.described[arguments["file"]], "file_access": "visible"}, "comments": []}

    def hand_over(self, request: web.Request) -> tuple[web.StreamResponse, str]:
        """Return a file, or to a token that may not read it Slack's sign-in page, and the error's name."""
        number = request.match_info["file"].partition("-")[2]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._may_read(token) and number in self._data:
            return web.Response(body=self._data[number], content_type=self.described[number]["mimetype"]), ""
        if self.refusal == "page":
            return web.Response(text=SIGN_IN_PAGE, content_type="text/html"), "not_authed"
        location = f"{self._base()}/?redir=%2Ffiles-pri%2F{number}"
        return web.Response(status=302, headers={"Location": location}), "not_authed"
