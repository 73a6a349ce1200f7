"""Numbers in brackets: those of sources, and those that pages have themselves, from the answer to each channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bot.answering.extractive import Cited, quotation
from bot.answering.prompt import build_messages
from bot.domain.documents.addresses import at_sentence
from bot.domain.questions import Passage, Turn
from bot.server.pages.markdown import render
from plugins.slack.outbound.markdown import safe

TEXT = "Press [1] for English, [2] for Spanish, [0] for help."
PHONE = Passage("c1", "d1", "phone.md", "Phone", TEXT, 1.0, "it", "s1")
OTHER = replace(PHONE, chunk_id="c2", document="other.md", text="Call the desk about your card.")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Press [1] for English, [2] for Spanish [1].", r"Press \[1\] for English, \[2\] for Spanish [1]."),
        ("for Spanish, [0] for help. [1].", "for Spanish, [0] for help. [1]"),
        ("Call the desk about your card [2].", "Call the desk about your card [1]."),
        ("Call the desk. [2]. Now.", "Call the desk. [1] Now."),
        ("Call the desk about your card [2] [2].", "Call the desk about your card [1]."),
        ("Call the desk [7].", "Call the desk . [1]"),
    ],
)
def test_numbers_of_pages_stay_and_numbers_of_sources_are_counted(said: str, shown: str) -> None:
    cited = Cited([PHONE, OTHER])
    cited.add(said)
    assert cited.finish().text == shown


def test_a_quotation_keeps_the_numbers_of_its_page() -> None:
    quoted = quotation("Which?", [PHONE], lambda texts: np.ones((len(texts), 1), dtype=np.float32))
    assert r"\[1\] for English" in quoted.text
    assert quoted.text.endswith("[1]")


def test_every_channel_shows_the_numbers_of_pages_as_they_are() -> None:
    text = r"Press \[1\] and `\[2\]` [1]."
    assert safe(text) == r"Press [1] and `\[2\]` [1]."
    assert render(text) == "<p>Press [\u20601] and <code>\\[2\\]</code> [1].</p>\n"
    earlier = build_messages("And then?", [], title="IT", history=[Turn("Which?", text)])[2]
    assert earlier.content == r"Press [1] and `\[2\]`."


def test_a_quotation_begins_with_a_sentence() -> None:
    cut = replace(PHONE, text="of the badge office on the first floor. Bring your old badge with you.")
    quoted = quotation("Where?", [cut], lambda texts: np.ones((len(texts), 1), dtype=np.float32))
    assert quoted.text == "Closest I found: \u201cBring your old badge with you.\u201d [1]"


def test_a_source_is_named_by_its_page() -> None:
    cited = Cited([replace(PHONE, title="Getting help")])
    cited.add("Press [1] for English [1].")
    assert cited.finish().citations[0].heading == "Getting help \u203a Phone"


AT = "#:~:text=To%20get%20a%20parking,at%20the%20front%20desk"
LONG = "To get a parking permit, fill in the form and show your badge at the front desk."


@pytest.mark.parametrize(
    ("document", "said", "address"),
    [
        ("https://a.example/p", f"{LONG} [1]", f"https://a.example/p{AT}"),
        ("https://a.example/p#s", "Show your badge. [1]", "https://a.example/p#s"),
        ("it/phone.md", f"{LONG} [1]", "it/phone.md"),
    ],
)
def test_a_source_on_the_web_opens_at_the_sentence(document: str, said: str, address: str) -> None:
    cited = Cited([replace(PHONE, document=document, text=f"Permits cost nothing. {LONG}")])
    cited.add(said)
    (citation,) = cited.finish().citations
    assert at_sentence(citation.document, citation.quote) == address


def test_a_text_fragment_is_encoded() -> None:
    assert at_sentence("https://a.example/p#s", "a-b, c & d") == "https://a.example/p#s:~:text=a%2Db%2C%20c%20%26%20d"
