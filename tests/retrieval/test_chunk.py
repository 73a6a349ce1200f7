from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.protocols import ParsedDocument, ParsedSection
from retrieval.chunk import CHUNK_TOKENS, SEPARATOR, chunk_document


def count(text):
    return len(text.split())


def chunks(title, *sections):
    return chunk_document(ParsedDocument(title, tuple(ParsedSection(*section) for section in sections)), "d1", count)


def test_a_short_section_is_one_chunk_under_its_heading_path():
    (chunk,) = chunks("Leave", (("Types", "Annual"), "Four hours."))
    assert chunk.heading == f"Types{SEPARATOR}Annual"
    assert chunk.indexed == f"Leave{SEPARATOR}Types{SEPARATOR}Annual\nFour hours."


def test_a_title_made_by_a_machine_is_not_indexed():
    for title in ("doc 00123", "a3f9 c0de 77", "0007", "page 12"):
        assert chunks(title, ((), "Words."))[0].indexed == "Words."
    assert chunks("travel guide 4", ((), "Words."))[0].indexed == "travel guide 4\nWords."


def test_a_very_long_heading_path_keeps_its_innermost_part():
    outer = "word " * 60
    (chunk,) = chunks("T", ((outer, "Inner"), "Text."))
    assert chunk.context == "Inner"


def test_ids_change_with_the_text_and_not_with_the_run():
    first, same, other = (chunks("T", ((), text))[0].chunk_id for text in ("a", "a", "b"))
    assert first == same != other


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_no_chunk_is_too_long_and_no_word_is_lost(lengths, random):
    sentences = [" ".join(f"w{random.randrange(10_000)}" for _ in range(length)) + "." for length in lengths]
    found = chunks("T", ((), "\n\n".join(sentences)))
    assert all(count(chunk.text) <= CHUNK_TOKENS for chunk in found)
    assert {word for chunk in found for word in chunk.text.split()} == {
        word for text in sentences for word in text.split()
    }
