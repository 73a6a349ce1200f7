"""Coming back after signing in: the sign-in page carries the address that somebody was on their way to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from starlette.requests import Request

SIGN_IN_PATH = "/sign-in"
HOME = "/"
MAX_CHARACTERS = 2_000

LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
r"""A path of this server in ASCII. Browsers read ``//`` and ``/\`` as another host, and drop tabs and line breaks."""


def local_address(wanted: str) -> str:
    """Return the address if it is a path of this server, with its query and fragment, or else the chat's.

    Nobody is led to another site, nor back to signing in or out.
    """
    path = re.split("[?#]", wanted, maxsplit=1)[0]
    if len(wanted) > MAX_CHARACTERS or not LOCAL.fullmatch(wanted) or path in (SIGN_IN_PATH, "/sign-out"):
        return HOME
    return wanted


def sign_in_address(request: Request) -> str:
    """Return the address of the sign-in page, which leads back to what was requested."""
    query = request.scope["query_string"].decode("latin-1")
    wanted = local_address(quote(request.scope["path"]) + (f"?{query}" if query else ""))
    return SIGN_IN_PATH if wanted == HOME else f"{SIGN_IN_PATH}?next={quote(wanted, safe='/')}"
