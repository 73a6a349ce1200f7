from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.slack.outbound.markdown import safe, split

LINES = st.lists(
    st.one_of(
        st.text(alphabet="ab c.", max_size=80),
        st.sampled_from(["", "```", "```python", "~~~", "- point", "# Heading", "    indented"]),
        st.integers(1, 400).map(lambda length: "x" * length),
    ),
    max_size=60,
)


def plain(text: str) -> Any:
    """The text without what a cut may add or take: fences, spaces and empty lines."""
    lines = [line for line in text.split("\n") if not line.lstrip(" ").startswith(("```", "~~~"))]
    return "".join("".join(lines).split())


def open_fence(piece: Any) -> Any:
    fence = ""
    for line in piece.split("\n"):
        mark = line[:3]
        if mark in ("```", "~~~"):
            if not fence:
                fence = mark
            elif fence == mark and not line[3:].strip():
                fence = ""
    return fence


@settings(deadline=None, max_examples=60)
@given(LINES, st.integers(100, 300))
def test_every_piece_is_short_and_nothing_is_lost(lines: list[str], limit: Any) -> None:
    text = "\n".join(lines)
    pieces = split(text, limit)
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join(plain(piece) for piece in pieces) == plain(text)


@settings(deadline=None, max_examples=60)
@given(LINES, st.integers(100, 300))
def test_only_the_last_piece_may_leave_a_fence_open(lines: list[str], limit: Any) -> None:
    pieces = split("\n".join(lines), limit)
    assert all(not open_fence(piece) for piece in pieces[:-1])


def test_a_fence_over_the_cut_keeps_its_language() -> None:
    pieces = split("Intro\n\n```python\n" + "run()\n" * 60 + "```", 200)
    assert len(pieces) > 1
    assert all("```python\n" in piece and piece.endswith("```") for piece in pieces[1:])


def test_a_short_text_stays_as_it_is() -> None:
    assert split("One.\n\nTwo.", 3_000) == ["One.\n\nTwo."]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![chart](https://evil.example/?q=secret)", "chart"),
        ("![][ref]", ""),
        ("[form](https://a.example/x)", "[form](https://a.example/x) (a.example)"),
        ("[a.example](https://a.example/x)", "[a.example](https://a.example/x)"),
        ("[a.example](https://evil.example/a.example)", "[a.example](https://evil.example/a.example) (evil.example)"),
        ("Wake <!channel> and <@U1>", "Wake <\u200b!channel> and <\u200b@U1>"),
        ("1 < 2", "1 < 2"),
    ],
)
def test_what_could_act_is_taken_out(text: str, shown: str) -> None:
    assert safe(text) == shown
