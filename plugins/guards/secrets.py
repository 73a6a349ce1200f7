"""A sentence that holds what looks like a secret is not shown, wherever the model found it."""

from __future__ import annotations

from bot.hookspecs import hookimpl
from bot.messages import Verdict
from bot.secrets import holds_secret

REPLACEMENT = "I left the answer out, because it held what looks like a password or a key. Please ask a person."


@hookimpl
def check_answer(draft: str) -> Verdict | None:
    """Refuse a sentence with a token, a private key or a password assignment."""
    if holds_secret(draft):
        return Verdict(ok=False, reason="it holds what looks like a secret", replacement=REPLACEMENT)
    return None
