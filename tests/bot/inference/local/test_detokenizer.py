from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.inference.local.detokenizer import TokenText
from bot.inference.stop_texts import StopFilter

if TYPE_CHECKING:
    from collections.abc import Sequence


def decode(ids: Sequence[int]) -> str:
    return bytes(ids).decode("utf-8", errors="replace")


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_pieces_are_whole_characters_and_make_the_text(text: str) -> None:
    stream = TokenText(decode)
    pieces = [stream.feed(byte) for byte in text.encode()]
    assert "".join([*pieces, stream.rest()]) == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in piece for piece in pieces)


def test_bytes_that_are_no_character_do_not_hold_the_stream_up() -> None:
    stream = TokenText(decode)
    pieces = [stream.feed(byte) for byte in b"\xff\xff\xff\xffabc"]
    assert "".join(pieces).endswith("abc")


@settings(deadline=None)
@given(st.text(alphabet="abS "), st.sampled_from(["S", "ab", "aab", "S S"]), st.integers(1, 4))
def test_a_stop_text_is_found_however_the_text_is_cut(text: str, stop: str, size: int) -> None:
    stops = StopFilter((stop, ""))
    pieces = [stops.feed(text[i : i + size]) for i in range(0, len(text), size)]
    assert "".join([*pieces, stops.rest()]) == text.split(stop, maxsplit=1)[0]
    assert stops.stopped == (stop in text)


@pytest.mark.parametrize("stops", [(), ("xyz",)])
def test_what_cannot_become_a_stop_text_is_shown_at_once(stops: Sequence[str]) -> None:
    assert StopFilter(stops).feed("abc") == "abc"
