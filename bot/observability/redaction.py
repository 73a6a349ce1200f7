"""Patterns of secrets, for logs, answers and training data."""

from __future__ import annotations

import re

SECRET = re.compile(
    r"""
      xox[a-z](?:\.xox[a-z])?-[\w-]{8,} | xapp-[\w-]{8,}                          # Slack tokens
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                   # cloud access keys
    | \bmentee_[\w-]{43}                                              # our own API tokens
    | \bgh[pousr]_\w{20,}\b | \bglpat-[\w-]{16,}                       # code hosts' tokens
    | \b(?:sk|pk|rk)[-_](?:live|test|proj)?[-_]?[A-Za-z0-9]{20,}\b     # payment and model services' keys
    | (?<![\w-])eyJ[\w-]{10,}+\.[\w-]{10,}+\.[\w-]{5,}                      # JSON web tokens
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----
    | \b[Bb]earer\s+[\w.~+/-]{16,}=*
    | (?i:\b(?:password|passwd|secret|api[_-]?key|token)\b\s*[:=\uff1a]\s*)(?=[^\s<{]{0,200}[\d!@#$%^&*])[^\s<{,;]{8,}
    """,
    re.VERBOSE | re.ASCII,  # so that a letter of another script beside a secret doesn't hide it
)


SHORTEST, MOST = 6, 1_000
"""Characters of a secret that is remembered, and how many are: a shorter one would mask ordinary words."""

_remembered: set[str] = set()


def remember_secret(secret: str) -> None:
    """Mask this text from now on wherever :func:`without_remembered` is applied, such as in logs."""
    if secret in _remembered or len(_remembered) >= MOST:
        return
    _remembered.update(line for line in (secret, *secret.splitlines()) if len(line) >= SHORTEST)


def without_remembered(text: str, placeholder: str) -> str:
    """Return the text with every remembered secret replaced."""
    for secret in sorted(_remembered, key=len, reverse=True):
        text = text.replace(secret, placeholder)
    return text


def holds_secret(text: str) -> bool:
    """Return whether the text contains something that looks like a secret."""
    return SECRET.search(text) is not None


def without_secrets(text: str, placeholder: str = "<SECRET>") -> str:
    """Return the text with everything that looks like a secret replaced."""
    return SECRET.sub(placeholder, text)
