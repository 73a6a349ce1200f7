from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.documents.blocks import Code, Item, Paragraph, Span, Table, paragraphs, plain
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from retrieval.chunk import CHUNK_TOKENS, SEPARATOR, Chunk, chunk_document, in_sentences

if TYPE_CHECKING:
    from random import Random


def count(text: str) -> int:
    return len(text.split())


def chunks(title: str, *sections: tuple[tuple[str, ...], str]) -> list[Chunk]:
    return chunk_document(
        ParsedDocument(title, tuple(ParsedSection(path, paragraphs(text)) for path, text in sections)), "d1", count
    )


def test_a_short_section_is_one_chunk_under_its_heading_path() -> None:
    (chunk,) = chunks("Leave", (("Types", "Annual"), "Four hours."))
    assert (chunk.title, chunk.heading) == ("Leave", f"Types{SEPARATOR}Annual")
    assert chunk.indexed == f"Leave{SEPARATOR}Types{SEPARATOR}Annual\nFour hours."


def test_a_title_made_by_a_machine_is_not_indexed() -> None:
    for title in ("doc 00123", "a3f9 c0de 77", "0007", "page 12"):
        assert chunks(title, ((), "Words."))[0].indexed == "Words."
    assert chunks("travel guide 4", ((), "Words."))[0].indexed == "travel guide 4\nWords."


def test_a_chunk_has_its_documents_title_where_the_heading_path_does_not_begin_with_it() -> None:
    titles = [
        chunk.title for chunk in chunks("Leave", ((), "Words."), (("Types",), "Words."), (("Leave", "Sick"), "W."))
    ]
    assert titles == ["Leave", "Leave", ""]
    assert chunks("doc 00123", (("Types",), "Words."))[0].title == ""
    assert chunks("T", (("word " * 60, "Inner"), "Text."))[0].title == ""


def test_a_very_long_heading_path_keeps_its_innermost_part() -> None:
    outer = "word " * 60
    (chunk,) = chunks("T", ((outer, "Inner"), "Text."))
    assert chunk.context == "Inner"


def test_ids_change_with_the_text_and_not_with_the_run() -> None:
    first, same, other = (chunks("T", ((), text))[0].chunk_id for text in ("a", "a", "b"))
    assert first == same != other


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_no_chunk_is_too_long_and_no_word_is_lost(lengths: list[int], random: Random) -> None:
    sentences = [" ".join(f"w{random.randrange(10_000)}" for _ in range(length)) + "." for length in lengths]
    found = chunks("T", ((), "\n\n".join(sentences)))
    assert all(count(chunk.text) <= CHUNK_TOKENS for chunk in found)
    assert {word for chunk in found for word in chunk.text.split()} == {
        word for text in sentences for word in text.split()
    }


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=30, max_size=90), st.sampled_from([" ", "\n", "\n\n"]))
def test_every_sentence_is_whole_in_a_passage_and_after_it_comes_what_the_section_says_next(
    lengths: list[int], between: str
) -> None:
    sentences = [
        f"First{n}, {''.join(f'w{n}x{i}, ' for i in range(length))}last{n}." for n, length in enumerate(lengths)
    ]
    found = chunks("T", ((), between.join(sentences)), ((), "Another section."))
    read = [as_read(chunk, after) for chunk, after in zip(found, [*found[1:], None], strict=True)]
    section = " ".join(sentences)
    for chunk, (text, following) in zip(found, read, strict=True):
        assert text.endswith(".")
        assert chunk.section or squeezed(text + following) in section
    assert all(any(sentence in squeezed(text) for text, _ in read) for sentence in sentences)
    assert read[-1] == ("Another section.", "")


def as_read(chunk: Chunk, after: Chunk | None) -> tuple[str, str]:
    reading = in_sentences(chunk, after)
    return reading.text, reading.following


def squeezed(text: str) -> str:
    return " ".join(text.split())


BADGE = "Bring:\n- the badge that you were given"


@pytest.mark.parametrize(
    ("chunk", "after", "read"),
    [
        (
            f"{BADGE}\n- the laptop and, if you",
            "- the laptop and, if you have one, the phone\n- the keys",
            (BADGE, "\n- the laptop and, if you have one, the phone\n- the keys"),
        ),
        (
            f"{BADGE}\n- the laptop and, if you have one,",
            "and, if you have one, the phone\n- the keys",
            (f"{BADGE}\n- the laptop and, if you have one, the phone", "\n- the keys"),
        ),
        (BADGE, "- the keys", (BADGE, "\n- the keys")),
        (f"{BADGE}\n- the laptop", "- the laptop\n- the keys", (f"{BADGE}\n- the laptop", "\n- the keys")),
        (f"{BADGE}\n-", "- the keys", (BADGE, "\n- the keys")),
        ("Bring a, b", "b, c" + ", c" * 200, ("Bring a, b", ", c" + ", c" * 200)),
    ],
    ids=["left to the next", "completed", "nothing in common", "whole", "a bullet", "too long"],
)
def test_a_sentence_that_is_cut_is_left_to_the_next_chunk_or_completed(
    chunk: str, after: str, read: tuple[str, str]
) -> None:
    first, second, other = (
        Chunk("c", "d1", "", "", text, section) for text, section in ((chunk, 0), (after, 0), ("Thank you.", 1))
    )
    assert as_read(first, second) == read
    assert as_read(second, other) == (after, "")


def test_a_chunk_says_on_which_page_it_begins() -> None:
    rows = tuple((plain(f"City {n}"), plain(str(n))) for n in range(90))
    blocks = (
        Paragraph(plain("Intro."), page=2),
        Table((plain("City"), plain("Rate")), rows, page=3),
        Paragraph(plain(" ".join(f"Sentence {n} is here." for n in range(120))), page=5),
    )
    made = chunk_document(ParsedDocument("Rates", (ParsedSection(("Travel",), blocks),)), "d", count)
    pages = [chunk.page for chunk in made]
    assert pages == sorted(pages)
    assert set(pages) == {2, 3, 5}
    assert (made[0].heading, made[0].place) == ("Travel", "Travel › Page 2")


def test_what_is_crossed_out_makes_no_chunk_of_its_own_and_takes_no_time() -> None:
    gone = Item("-", (Span("old", "struck"),))
    blocks = (*(Item("-", plain(f"step {n} " + "word " * 50)) for n in range(5)), *[gone] * 20_000)
    start = time.process_time()
    made = chunk_document(ParsedDocument("T", (ParsedSection((), blocks),)), "d", count)
    assert time.process_time() - start < 10
    assert [chunk.text.strip()[:8] for chunk in made] == ["- step 0", "- step 3"]
    assert "~~old~~" in made[-1].markdown
    assert chunk_document(ParsedDocument("T", (ParsedSection((), (gone, Code("", ""))),)), "d", count) == []
