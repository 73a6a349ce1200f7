"""Messages that only point elsewhere are told from questions."""

from __future__ import annotations

import pytest

from bot.answering.threads.pointing import only_points


@pytest.mark.parametrize(
    "text",
    [
        "",
        "can you help with this?",
        "Hi! Any idea?",
        "@ ^^",
        "is that true?",
        "Kannst du hier helfen?",
        "¿Puedes ayudar?",
    ],
)
def test_what_says_nothing_of_its_own_only_points(text: str) -> None:
    assert only_points(text)


@pytest.mark.parametrize("text", ["can you help with VPN?", "for contractors?", "and in Ohio?", "help " * 100, "東京?"])
def test_what_says_something_does_not(text: str) -> None:
    assert not only_points(text)
