"""Text with something that looks like a secret is not shown, wherever it comes from: the model, a page or a person."""

from __future__ import annotations

from bot.domain.answers import Verdict
from bot.hooks.specs import hookimpl
from bot.observability.redaction import holds_secret

REPLACEMENT = "I left the answer out, because it held what looks like a password or a key. Please ask a person."


@hookimpl
def check_answer(draft: str) -> Verdict | None:
    """Refuse a text with a token, a private key or a password assignment."""
    if holds_secret(draft):
        return Verdict(ok=False, reason="it holds what looks like a secret", replacement=REPLACEMENT)
    return None
