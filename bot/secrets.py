"""What secrets look like: one list for logs, for answers and for training data."""

from __future__ import annotations

import re

SECRET = re.compile(
    r"""
      xox[a-z](?:\.xox[a-z])?-[\w-]{8,} | xapp-[\w-]{8,}                          # Slack tokens
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                   # cloud access keys
    | \bgh[pousr]_\w{20,}\b | \bglpat-[\w-]{16,}                       # code hosts' tokens
    | \b(?:sk|pk|rk)[-_](?:live|test|proj)?[-_]?[A-Za-z0-9]{20,}\b     # payment and model services' keys
    | \beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}                          # JSON web tokens
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----
    | \b[Bb]earer\s+[\w.~+/-]{16,}=*
    | (?i:\b(?:password|passwd|secret|api[_-]?key|token)\b\s*[:=]\s*)(?=[^\s<{]*[\d!@#$%^&*])[^\s<{,;]{8,}
    """,
    re.VERBOSE,
)


def holds_secret(text: str) -> bool:
    """Return whether the text holds something that looks like a secret."""
    return SECRET.search(text) is not None


def without_secrets(text: str, placeholder: str = "<SECRET>") -> str:
    """Return the text with everything that looks like a secret replaced."""
    return SECRET.sub(placeholder, text)
