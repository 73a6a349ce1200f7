"""Single web pages. Redirects are followed, links are not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx2

from bot.domain.documents.parsed import MAX_BYTES, SourceDocument
from bot.domain.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 20.0
REDIRECTS = 5
_GIT = re.compile(r".*\.git/?$")


class WebSource:
    """One page per address, fetched again at every sync."""

    name = "web"

    def accepts(self, address: str) -> bool:
        """Accept http and https addresses, except those of git repositories."""
        return address.startswith(("http://", "https://")) and not _GIT.match(address)

    def documents(self, address: str) -> Sequence[SourceDocument]:
        """Fetch the page.

        :raises DocumentError: it cannot be fetched, or is too large.
        """
        try:
            with (
                httpx2.Client(follow_redirects=True, max_redirects=REDIRECTS, timeout=SECONDS) as client,
                client.stream("GET", address) as response,
            ):
                response.raise_for_status()
                media_type = response.headers.get("content-type", "")
                return [SourceDocument(address, _body(response, address), media_type=media_type)]
        except httpx2.HTTPStatusError as error:
            raise DocumentError(
                f"{address} answered {error.response.status_code}.", hint="Check the address."
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise DocumentError(
                f"Can't fetch {address}: {error}.", hint="Check the address and the network."
            ) from error


def _body(response: httpx2.Response, address: str) -> bytes:
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_BYTES:
            raise DocumentError(f"{address} is larger than {MAX_BYTES // 1_000_000} MB.")
    return bytes(body)
