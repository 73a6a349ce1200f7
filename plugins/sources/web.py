"""Web pages, only those an operator names: nothing is followed but redirects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2

from bot.errors import DocumentError
from bot.protocols import SourceDocument
from retrieval.documents import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 20.0
REDIRECTS = 5
_GIT = re.compile(r".*\.git/?$")


class WebSource:
    """One page per address, read again at every sync."""

    name = "web"

    def accepts(self, address: str) -> bool:
        """Take http and https addresses that are no git repository."""
        return address.startswith(("http://", "https://")) and not _GIT.match(address)

    def documents(self, address: str) -> Sequence[SourceDocument]:
        """Fetch the page.

        :raises DocumentError: it cannot be had, or is too large.
        """
        try:
            with (
                httpx2.Client(follow_redirects=True, max_redirects=REDIRECTS, timeout=SECONDS) as client,
                client.stream("GET", address) as response,
            ):
                response.raise_for_status()
                return [SourceDocument(address, _body(response, address))]
        except httpx2.HTTPStatusError as error:
            raise DocumentError(
                f"{address} answered {error.response.status_code}.", hint="Check the address."
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise DocumentError(
                f"{address} cannot be fetched: {error}.", hint="Check the address and the network."
            ) from error


def _body(response: httpx2.Response, address: str) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_BYTES:
            raise DocumentError(f"{address} is larger than {MAX_BYTES // 1_000_000} MB.")
    return bytes(body)
