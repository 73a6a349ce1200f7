"""Pages and questions of one language, whichever it is, without a model of that language."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bot.answering.threads.wording import leaning
from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from bot.language.words import count_words
from bot.testing.engines import ScriptedEngine
from bot.testing.questions import ask
from retrieval.assembly import open_documents
from retrieval.chunk import CHUNK_TOKENS, chunk_document
from retrieval.embed import HashingEmbedder
from retrieval.index.snapshot import IndexedDocument, build_snapshot
from retrieval.search.candidates import find, order
from retrieval.search.query import make_query
from retrieval.search.relevance import probabilities

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome, Mentee
    from retrieval.index.snapshot import Snapshot

DATA = Path(__file__).parents[3] / "benchmarks" / "data" / "scripts.jsonl"
EMBEDDER = HashingEmbedder()
ENGLISH = """\
Full-time staff earn 15 days of annual leave in a year. Ask your lead before you book.

If you travel for the company, book the hotel below the per diem rate. You can ask for the money back within thirty days
after the trip. Keep the receipts for all meals, because the finance team checks what you have spent.

Put in a ticket if a card is lost, and call the bank at the number on the back of the card.
"""
PAGES: dict[str, list[tuple[str, str, list[str]]]] = defaultdict(list)
for line in DATA.read_text(encoding="utf-8").split("\n"):
    if line and (row := json.loads(line))["title"]:
        PAGES[row["language"]].append((row["title"], row["text"], row["questions"]))


def snapshot(folder: Path, pages: list[tuple[str, str, list[str]]]) -> Snapshot:
    documents = [
        IndexedDocument(f"d{n}", title, str(n), ParsedDocument(title, (ParsedSection((), paragraphs(text)),)))
        for n, (title, text, _) in enumerate(pages)
    ]
    return build_snapshot(folder, documents, EMBEDDER)


@pytest.mark.parametrize("language", ["zh", "ja", "th", "ar", "hi", "ru", "ko", "de", "tr", "km", "lo", "my"])
def test_questions_find_their_page_in_any_script(tmp_path: Path, language: str) -> None:
    pages = PAGES[language]
    indexed = snapshot(tmp_path / "g1", pages)
    right, known = [], []
    for number, (_, _, questions) in enumerate(pages):
        for question in questions:
            query = make_query(question, (), EMBEDDER)
            found = find(indexed, query, np.arange(len(indexed.chunks)))
            best = order(indexed, found)[:1]
            right.append(indexed.chunks[int(found.rows[best[0]])].document_id == f"d{number}")
            known.append(right[-1] and probabilities(indexed, query, found, best)[0] >= 0.5)
    assert sum(right) >= 0.85 * len(right), right
    assert sum(known) >= 0.5 * len(known), known


def test_the_lexical_half_alone_finds_chinese(tmp_path: Path) -> None:
    indexed = snapshot(tmp_path / "g1", PAGES["zh"])
    everything = np.ones(len(indexed.chunks), dtype=bool)
    scores = indexed.lexical.scores(make_query("停车证每个月多少钱？", (), EMBEDDER).terms[0][0], everything)
    assert indexed.chunks[int(scores.argmax())].document_id == "d6"


@pytest.mark.parametrize("language", ["zh", "th"])
def test_long_texts_without_spaces_are_cut_between_sentences(language: str) -> None:
    text = "".join(f"{page}{' ' if language == 'th' else ''}" for _, page, _ in PAGES[language]) * 3
    document = ParsedDocument("", (ParsedSection((), paragraphs(text)),))
    chunks = chunk_document(document, "d", EMBEDDER.count_tokens)
    assert len(chunks) > 1
    assert all(count_words(chunk.text) <= CHUNK_TOKENS for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks).replace(" ", "") == text.strip().replace(" ", "")
    if language == "zh":
        assert all(chunk.text.endswith("。") for chunk in chunks)


def test_a_short_question_leans_on_the_thread_in_any_script() -> None:
    assert leaning("加班呢？") == "maybe"
    assert leaning("没用完的年假能不能留到明年再用？") == "no"


@pytest.fixture
def home(make_home: MakeHome) -> Mentee:
    return make_home(
        departments=("travel",), built_in=("retrieval.plugin", "plugins.sources"), engine=ScriptedEngine("Nonsense.")
    )


@pytest.mark.parametrize("language", ["zh", "ja", "th", "ar", "hi", "ru", "ko", "de", "tr"])
async def test_questions_are_answered_from_pages_of_their_language(home: Mentee, tmp_path: Path, language: str) -> None:
    paths = [tmp_path / f"{language}{number}.md" for number in range(len(PAGES[language]))]
    for path, (title, text, _) in zip(paths, PAGES[language], strict=True):
        path.write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
    open_documents(home, actor="test").add([*map(str, paths)], "travel")
    known = 0
    for number, (_, text, questions) in enumerate(PAGES[language]):
        answer, _ = await ask(home, questions[0], department="travel")
        known += answer.known
        if answer.known:
            assert answer.citations[0].document.endswith(f"{language}{number}.md")
            assert " ".join(answer.citations[0].text.split()) in " ".join(text.split())
    assert known >= len(PAGES[language]) / 2


async def test_a_question_in_another_language_than_the_pages_is_told_so(home: Mentee, tmp_path: Path) -> None:
    (tmp_path / "trips.md").write_text(f"# Trips\n\n{ENGLISH}")
    open_documents(home, actor="test").add([str(tmp_path / "trips.md")], "travel")
    for question in ("一年可以休几天年假？", "Wie viele Tage Urlaub habe ich im Jahr?"):
        answer, _ = await ask(home, question, department="travel")
        assert not answer.known
        assert "in another language than your question" in answer.text
        assert answer.citations == ()
    answer, _ = await ask(home, "How do I change my bank account for the salary?", department="travel")
    assert "language" not in answer.text
