"""Passages that stand in one prompt, with every question that is asked of them.

The questions of a set share its beginning, so training reads the passages once for all of them. Distractors are what
the retrieval really finds; the answering passage stands anywhere, or is missing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from recipes.reader.wording import coverage
from tuning.evaluation.keyfacts import holds

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from bot.domain.questions import Passage
    from recipes.reader.recipe import Asking
    from recipes.reader.rows import ReadingRow

FAR = 24
"""Results among which the answering passage is looked for when the first few do not hold it."""

SEEN = 0.8
"""How often each of the nearest passages is taken into a set."""


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


def handbook_sets(found: Sequence[Found], how: Asking, rng: random.Random) -> Iterator[ReadingSet]:
    """Ask each question once: with its answer at hand if there is one, or, so often as ``how.missing``, without it."""
    waiting = {item.row.id: item for item in rng.sample(found, len(found))}
    for item in list(waiting.values()):
        if item.row.id not in waiting:
            continue
        if item.row.answerable and rng.random() < how.missing and (others := _without_answer(item, how.passages)):
            del waiting[item.row.id]
            yield ReadingSet(others, [(item.row, None)])
            continue
        beside = [one.gold for one in waiting.values() if one.gold is not None and one.row.page == item.row.page]
        made = ReadingSet(_served(item, how.passages, beside, rng))
        for other in [item, *(one for one in waiting.values() if _belongs(one, made.passages))]:
            if other.row.id in waiting and len(made.asked) < how.questions:
                made.asked.append((other.row, _position(other.gold, made.passages)))
                del waiting[other.row.id]
        yield made


def apart_sets(found: Sequence[Found], how: Asking, rng: random.Random) -> Iterator[ReadingSet]:
    """Ask each question of single passages: the one that answers it, and ``how.beside`` near ones that do not.

    That is what a reader meets that reads one passage at a time, best first, until one answers.
    """
    asked: dict[str, ReadingSet] = {}
    for item in found:
        wrong = _without_answer(item, len(item.near))
        count = int(how.beside) + (rng.random() < how.beside % 1)
        beside = rng.sample(wrong, min(count, len(wrong)))
        for passage in [item.gold, *beside] if item.gold else beside:
            made = asked.setdefault(passage.chunk_id, ReadingSet((passage,)))
            made.asked.append((item.row, 0 if passage is item.gold else None))
    for made in asked.values():
        rng.shuffle(made.asked)
        for start in range(0, len(made.asked), how.questions):
            yield ReadingSet(made.passages, made.asked[start : start + how.questions])


def grounded_sets(
    by_passage: Mapping[str, Sequence[ReadingRow]],
    neighbours: Mapping[str, Sequence[Passage]],
    how: Asking,
    rng: random.Random,
) -> Iterator[ReadingSet]:
    """Put each passage among its neighbours and ask every question about any of them that has not been asked yet.

    So often as ``how.missing`` its questions are asked of the neighbours alone, where none of these holds the answer.
    """
    waiting = {text: list(rows) for text, rows in by_passage.items()}
    homes: dict[str, set[str]] = {}
    for text, rows in by_passage.items():
        for row in rows:
            if row.answerable:
                homes.setdefault(row.question, set()).add(text)
    for text in rng.sample(list(by_passage), len(by_passage)):
        if not waiting[text]:
            continue
        if rng.random() < how.missing:
            made = _missed(text, waiting[text], neighbours[text], how)
            asked = {row.id for row, _ in made.asked}
            waiting[text] = [row for row in waiting[text] if row.id not in asked]
        else:
            drawn = list(neighbours[text][: rng.randint(1, how.passages)])
            rng.shuffle(drawn)
            made = ReadingSet(tuple(drawn))
            _ask_waiting(made, waiting, homes, how.questions)
        if made.passages and made.asked:
            yield made


def _missed(text: str, rows: Sequence[ReadingRow], neighbours: Sequence[Passage], how: Asking) -> ReadingSet:
    """Return a passage's questions without it, but for those that one of its neighbours answers."""
    beside = tuple(passage for passage in neighbours if passage.text != text)[: how.passages]
    held = " ".join(passage.text for passage in beside)
    lost = [row for row in rows if row.key_facts and not holds(held, row.key_facts)]
    return ReadingSet(beside, [(row, None) for row in lost[: how.questions]])


def _ask_waiting(
    made: ReadingSet, waiting: dict[str, list[ReadingRow]], homes: Mapping[str, set[str]], together: int
) -> None:
    texts = [passage.text for passage in made.passages]
    for position, held in enumerate(texts):
        for row in list(waiting[held]):
            fits = row.answerable or homes.get(row.question, set()).isdisjoint(texts)
            if fits and len(made.asked) < together:
                made.asked.append((row, position if row.answerable else None))
                waiting[held].remove(row)


def _gold(row: ReadingRow, results: Sequence[Passage]) -> Passage | None:
    holding = [
        passage
        for passage in results
        if row.key_facts and passage.document.endswith(row.page) and holds(passage.text, row.key_facts)
    ]
    return max(holding, key=lambda passage: coverage(row.answer, passage.text), default=None)


def _served(item: Found, size: int, beside: Sequence[Passage], rng: random.Random) -> tuple[Passage, ...]:
    """Return the answering passage, the best that retrieval finds, and those ``beside`` that answer most others.

    They stand in the order of retrieval, which is worth knowing: the first is the likeliest to answer.
    """
    chosen = [item.gold] if item.gold is not None else []
    # What retrieval finds varies with how a thing is asked: now and then a good one is not there.
    near = [passage for passage in item.near if rng.random() < SEEN] or item.near
    chosen += [passage for passage in near if _position(passage, chosen) is None][:1]
    asked = Counter(passage.chunk_id for passage in beside)
    rest = {_id(passage): passage for passage in (*near, *beside) if _position(passage, chosen) is None}
    chosen += sorted(rest.values(), key=lambda passage: -asked[passage.chunk_id])[: max(0, size - len(chosen))]
    rank = {passage.chunk_id: number for number, passage in enumerate(item.near)}
    chosen.sort(key=lambda passage: rank.get(passage.chunk_id, rng.randrange(size)))
    return tuple(chosen)


def _without_answer(item: Found, size: int) -> tuple[Passage, ...]:
    """Return the nearest passages that hold none of what a right answer must contain."""
    others = [passage for passage in item.near if not any(holds(passage.text, [fact]) for fact in item.row.key_facts)]
    return tuple(passage for passage in others if _position(passage, [item.gold] if item.gold else []) is None)[:size]


def _belongs(item: Found, passages: Sequence[Passage]) -> bool:
    """Return whether a question may well be asked of these passages."""
    if item.row.answerable:
        return _position(item.gold, passages) is not None
    return any(passage.document.endswith(item.row.page) for passage in passages) and _shared(item, passages)


def _shared(item: Found, passages: Sequence[Passage]) -> bool:
    return any(_position(passage, passages) is not None for passage in item.near)


def _id(passage: Passage | None) -> str:
    return passage.chunk_id if passage is not None else ""


def _position(wanted: Passage | None, passages: Sequence[Passage]) -> int | None:
    ids = [passage.chunk_id for passage in passages]
    return ids.index(_id(wanted)) if _id(wanted) in ids else None
