"""Passages that stand in one prompt, with every question that is asked of them.

The questions of a set share its beginning, so training reads the passages once for all of them. Distractors are what
the retrieval really finds; the answering passage stands anywhere, or is missing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tuning.keyfacts import holds
from tuning.reader.wording import coverage

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from bot.messages import Passage
    from tuning.reader.rows import ReadingRow

FAR = 24
"""Results among which the answering passage is looked for when the first few do not hold it."""
MISS_COVERAGE = 0.6
"""Share of an answer's words in a passage from which a miss might be no miss."""


class Search(Protocol):
    """Finds passages as the served retrieval does."""

    def __call__(self, row: ReadingRow, text: str, k: int) -> list[Passage]:
        """Return the ``k`` best passages for a text asked where the row is asked."""


@dataclass(slots=True)
class ReadingSet:
    """Passages and their questions; a question with ``None`` for its passage is to be refused."""

    passages: tuple[Passage, ...]
    asked: list[tuple[ReadingRow, int | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    """What retrieval finds for a row, and the passage that answers it, if there is any."""

    row: ReadingRow
    near: tuple[Passage, ...]
    gold: Passage | None


def look_up(rows: Sequence[ReadingRow], search: Search, near: int) -> list[Found]:
    """Search for every row. A row for which nothing is found, or not what answers it, is left out."""
    found = []
    for row in rows:
        results = search(row, row.question, FAR)
        gold = _gold(row, results) or (_gold(row, search(row, row.answer, FAR)) if row.answerable else None)
        if results and (gold is not None or not row.answerable):
            found.append(Found(row, tuple(results[:near]), gold))
    return found


def handbook_sets(
    found: Sequence[Found], *, size: int, together: int, refusals: float, rng: random.Random
) -> Iterator[ReadingSet]:
    """Ask each question once with its answer at hand, and add refusals of questions whose answer is missing."""
    waiting = {item.row.id: item for item in rng.sample(found, len(found))}
    added = 0
    for number, item in enumerate(list(waiting.values()), start=1):
        if item.row.id not in waiting:
            continue
        beside = [one.gold for one in waiting.values() if one.gold is not None and one.row.page == item.row.page]
        made = ReadingSet(_served(item, size, beside, rng))
        for other in [item, *(one for one in waiting.values() if _belongs(one, made.passages))]:
            if other.row.id in waiting and len(made.asked) < together:
                made.asked.append((other.row, _position(other.gold, made.passages)))
                del waiting[other.row.id]
        misses = [one for one in found if _missed(one, made.passages)]
        wanted = round(refusals * (number + added)) - added
        for miss in rng.sample(misses, min(len(misses), max(0, wanted), together - len(made.asked))):
            made.asked.append((miss.row, None))
            added += 1
        yield made


def grounded_sets(
    by_passage: Mapping[str, Sequence[ReadingRow]],
    neighbours: Mapping[str, Sequence[Passage]],
    *,
    size: int,
    together: int,
    rng: random.Random,
) -> Iterator[ReadingSet]:
    """Put each passage among its neighbours and ask every question about any of them that has not been asked yet."""
    waiting = {text: list(rows) for text, rows in by_passage.items()}
    homes: dict[str, set[str]] = {}
    for text, rows in by_passage.items():
        for row in rows:
            if row.answerable:
                homes.setdefault(row.question, set()).add(text)
    for text in rng.sample(list(by_passage), len(by_passage)):
        if not waiting[text]:
            continue
        drawn = list(neighbours[text][: rng.randint(1, size)])
        rng.shuffle(drawn)
        made = ReadingSet(tuple(drawn))
        texts = [passage.text for passage in drawn]
        for position, held in enumerate(texts):
            for row in list(waiting[held]):
                fits = row.answerable or homes.get(row.question, set()).isdisjoint(texts)
                if fits and len(made.asked) < together:
                    made.asked.append((row, position if row.answerable else None))
                    waiting[held].remove(row)
        if made.asked:
            yield made


def _gold(row: ReadingRow, results: Sequence[Passage]) -> Passage | None:
    holding = [
        passage
        for passage in results
        if row.key_facts and passage.document.endswith(row.page) and holds(passage.text, row.key_facts)
    ]
    return max(holding, key=lambda passage: coverage(row.answer, passage.text), default=None)


def _served(item: Found, size: int, beside: Sequence[Passage], rng: random.Random) -> tuple[Passage, ...]:
    """Return the answering passage, the best that retrieval finds, and those ``beside`` that answer most others."""
    chosen = [item.gold] if item.gold is not None else []
    chosen += [passage for passage in item.near if _position(passage, chosen) is None][:1]
    asked = Counter(passage.chunk_id for passage in beside)
    rest = {_id(passage): passage for passage in (*item.near, *beside) if _position(passage, chosen) is None}
    chosen += sorted(rest.values(), key=lambda passage: -asked[passage.chunk_id])[: max(0, size - len(chosen))]
    rank = {passage.chunk_id: number for number, passage in enumerate(item.near)}
    chosen.sort(key=lambda passage: rank.get(passage.chunk_id, rng.randrange(size)))
    if rng.random() < 1 / 2:
        rng.shuffle(chosen)
    return tuple(chosen)


def _belongs(item: Found, passages: Sequence[Passage]) -> bool:
    """Return whether a question may well be asked of these passages."""
    if item.row.answerable:
        return _position(item.gold, passages) is not None
    return any(passage.document.endswith(item.row.page) for passage in passages) and _shared(item, passages)


def _missed(item: Found, passages: Sequence[Passage]) -> bool:
    """Return whether the passages are near to an answerable question and yet do not answer it."""
    if not item.row.answerable or not _shared(item, passages) or _position(item.gold, passages) is not None:
        return False
    texts = " ".join(passage.text for passage in passages)
    return not holds(texts, item.row.key_facts[:1]) and coverage(item.row.answer, texts) < MISS_COVERAGE


def _shared(item: Found, passages: Sequence[Passage]) -> bool:
    return any(_position(passage, passages) is not None for passage in item.near)


def _id(passage: Passage | None) -> str:
    return passage.chunk_id if passage is not None else ""


def _position(wanted: Passage | None, passages: Sequence[Passage]) -> int | None:
    ids = [passage.chunk_id for passage in passages]
    return ids.index(_id(wanted)) if _id(wanted) in ids else None
