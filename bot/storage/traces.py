"""Finds what is left of something that was erased: in every table, plugins' included, and in every file of the home.

The text itself isn't kept. An erasure stores *marks*: salted hashes of the erased ids and of runs of up to
:data:`RUN` words. They recognise the text wherever it still is and can't be read back. An id that is easy to guess can
be confirmed by someone who has the database, because the salt is stored beside the marks.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, String, select

from bot.language.words import mentions, words
from bot.storage.tables.access import ErasureRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import MetaData, Table

    from bot.storage.session import Store

RUN, SHORTEST = 8, 4
"""How many words a run has. A text of fewer words than :data:`SHORTEST` is too common to recognise."""
MOST_RUNS = 2_000
"""Runs remembered of one erasure; of a longer text every n-th by its hash, so that any longer part is recognised."""

NO_TEXT = frozenset({".safetensors", ".faiss", ".npy", ".db", ".db-wal", ".db-shm", ".lock", ".bin", ".so", ".gguf"})
"""Suffixes of files without text, and of the database, whose tables are searched."""

_NAME = re.compile(r"[\w:./@-]+")

Contains = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Trace:
    """Where something was found: a table's column and row, or a file and line."""

    place: str
    row: str

    def __str__(self) -> str:
        return f"{self.place} ({self.row})" if self.row else self.place


class Marks:
    """The marks of one erasure or several with the same salt."""

    def __init__(self, salt: str, names: Iterable[str] = (), runs: Mapping[int, Iterable[str]] | None = None) -> None:
        self.salt = salt
        self.names = frozenset(names)
        self.runs = {size: frozenset(hashes) for size, hashes in (runs or {}).items() if hashes}

    @classmethod
    def of(cls, salt: str, *, names: Iterable[str], texts: Iterable[str], kept: Iterable[str] = ()) -> Marks:
        """Return the marks of names and texts.

        :param kept: texts that stay; what they say too is not marked.
        """
        found: dict[int, set[str]] = {}
        for text in texts:
            spoken = words(text)
            size = min(RUN, len(spoken))
            if size >= SHORTEST:
                found.setdefault(size, set()).update(_runs(spoken, size))
        if found:
            for text in kept:
                spoken = words(text)
                for size, runs in found.items():
                    runs.difference_update(_runs(spoken, size))
        hashed = {size: _sampled({_hash(salt, run) for run in runs}) for size, runs in found.items()}
        return cls(salt, {_hash(salt, name.lower()) for name in names}, hashed)

    @classmethod
    def from_json(cls, salt: str, stored: Mapping[str, Any]) -> Marks:
        """Return marks as :meth:`to_json` stored them."""
        runs = {int(size): hashes for size, hashes in stored.get("runs", {}).items()}
        return cls(salt, stored.get("names", ()), runs)

    def to_json(self) -> dict[str, Any]:
        """Return what is stored of these marks."""
        return {"names": sorted(self.names), "runs": {str(size): sorted(runs) for size, runs in self.runs.items()}}

    def names_it(self, name: str) -> bool:
        """Return whether this is one of the names."""
        return _hash(self.salt, name.lower()) in self.names

    def recognise(self, text: str) -> bool:
        """Return whether the text names or holds what is marked."""
        if self.names and any(self.names_it(name) for name in _names(text)):
            return True
        spoken = words(text) if self.runs else []
        return any(_hash(self.salt, run) in hashes for size, hashes in self.runs.items() for run in _runs(spoken, size))


def literally(wanted: str) -> Contains:
    """Return a function that tells whether a text holds the words of ``wanted``, in order, in any case or spacing."""
    return lambda text: bool(words(wanted)) and mentions(text, wanted)


def known_marks(store: Store) -> list[Marks]:
    """Return the marks of everything that was erased, one for each salt."""
    merged: dict[str, Marks] = {}
    with store.read() as session:
        for row in session.scalars(select(ErasureRow)):
            new, old = Marks.from_json(row.salt, row.marks), merged.get(row.salt, Marks(row.salt))
            runs = {size: {*old.runs.get(size, ()), *new.runs.get(size, ())} for size in {*old.runs, *new.runs}}
            merged[row.salt] = Marks(row.salt, old.names | new.names, runs)
    return list(merged.values())


def search(
    store: Store, tables: Iterable[MetaData], folders: Iterable[Path], contains: Contains, *, apart: Path
) -> Iterator[Trace]:
    """Yield every place of the database and of the folders that holds what is searched for.

    :param apart: a folder that is left out.
    """
    for metadata in tables:
        for table in metadata.sorted_tables:
            if table.name != ErasureRow.__tablename__:
                yield from _in_table(store, table, contains)
    for folder in folders:
        yield from _in_files(folder, contains, apart)


def outermost(*folders: Path) -> list[Path]:
    """Return the folders that are not inside another of them."""
    given = list(dict.fromkeys(folders))
    return [each for each in given if not any(each.is_relative_to(other) for other in given if other != each)]


def texts_in(value: Any) -> Iterator[str]:
    """Yield every string inside a value of a JSON column, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts_in(key)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def _in_table(store: Store, table: Table, contains: Contains) -> Iterator[Trace]:
    keys = list(table.primary_key.columns)
    columns = [column for column in table.columns if isinstance(column.type, String | JSON)]
    if not columns:
        return
    with store.read() as session:
        for row in session.execute(select(*keys, *columns).execution_options(yield_per=500)):
            for column, value in zip(columns, row[len(keys) :], strict=True):
                if any(contains(text) for text in texts_in(value)):
                    yield Trace(f"table {table.name}, column {column.name}", " ".join(map(str, row[: len(keys)])))


def _in_files(folder: Path, contains: Contains, apart: Path) -> Iterator[Trace]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in NO_TEXT or path.is_symlink() or not path.is_file() or path.is_relative_to(apart):
            continue
        if contains(path.name):
            yield Trace(f"file {path}", "its name")
        before = ""
        with path.open(encoding="utf-8", errors="ignore") as file:
            for number, line in enumerate(file, 1):
                text = _plain(line)
                if contains(f"{before} {text}"):
                    yield Trace(f"file {path}", f"line {number}")
                    break
                before = " ".join(words(f"{before} {text}")[-RUN:])


def _plain(line: str) -> str:
    """Return a line without JSON's escapes, which would tear words apart."""
    if line[:1] in "{[":
        try:
            return "\n".join(texts_in(json.loads(line)))
        except ValueError:
            return line
    return line


def _names(text: str) -> set[str]:
    found = {text.strip()}
    for name in _NAME.findall(text):
        found |= {name, name.rstrip(".:/-"), *re.split(r"[/.]", name)}
    return found


def _runs(words: list[str], size: int) -> Iterator[str]:
    return (" ".join(words[start : start + size]) for start in range(len(words) - size + 1))


def _hash(salt: str, text: str) -> str:
    return hashlib.blake2b(text.encode(errors="replace"), key=bytes.fromhex(salt), digest_size=8).hexdigest()


def _sampled(hashes: set[str]) -> set[str]:
    every = -(-len(hashes) // MOST_RUNS) or 1
    return {each for each in hashes if int(each, 16) % every == 0}
