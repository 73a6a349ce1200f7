"""Every regular expression of the project takes time in proportion to the text, whatever the text.

Strings that hurt are made from each pattern's own parts: a repeated part after what comes before it, and each beginning
of a match over and over. Ten times the text may take up to 25 times as long, because a bound of some thousand
characters counts less in a short text; a quadratic pattern takes a hundred times as long.

Most patterns are tried on short texts alone, within a ratio as strict for these. A quadratic part that makes 5 kB take
1.2 times as long makes 50 kB take 25 times as long as 5 kB; it makes 10 kB take 13.5 times as long as 1 kB.
"""

from __future__ import annotations

import ast
import importlib
import re
import string
import time
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from re import _constants as ops
from re import _parser as parser
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PACKAGES = {"bot": ROOT, "plugins": ROOT, "retrieval": ROOT, "tuning": ROOT, "mentee_reader": ROOT / "reader"}
SIZES = 5_000, 50_000
RATIO = 25
SHORT_SIZES = 1_000, 10_000
SHORT_RATIO = 13
SHORT_TRIES = 2
SLOWEST = 0.0002
"""Seconds for each character of a short text, above which a pattern needs no longer one to be slow."""

HOPELESS = 40
TRIES = 7
FLOOR = 0.02
"""Seconds of processor time below which 50 kB need no second look: a quadratic pattern would need many times that."""

USUAL = (
    *(" ", "\n", "\t", "a", "A", "0", "é", ".", "-", "*", "`", "~", "#", "<", "[", "(", "{{", "{%", "<!--", "'", '"'),
    *("a ", "A1", "a\n", " \n", "1,", "0 ", "a.", "a-", "[1] ", "](", "](http://a", "a@a.", "a: ", "**a", "```\n"),
)
ORDERS = string.ascii_letters + string.digits + "_ ", " \t\n-.,:/[]{}()<>#*'\"_" + string.digits + string.ascii_letters
REPEATS = {ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT}
CATEGORIES = {
    ops.CATEGORY_DIGIT: r"\d",
    ops.CATEGORY_NOT_DIGIT: r"\D",
    ops.CATEGORY_SPACE: r"\s",
    ops.CATEGORY_NOT_SPACE: r"\S",
    ops.CATEGORY_WORD: r"\w",
    ops.CATEGORY_NOT_WORD: r"\W",
}
ANYWHERE = {"search", "sub", "subn", "split", "findall", "finditer"}
MADE_OF_SAFE_PARTS = {
    "bot/access/person_rows.py": "one of two lookbehinds, and a name that is escaped",
    "bot/feedback/sameness/lexicon.py": "words of the lists beside it",
    "bot/feedback/sameness/reading.py": "short forms of the lists beside it",
    "bot/inference/local/adapters.py": "names of layers in an adapter's own settings, over names of layers",
    "bot/inference/loading.py": "texts that end an answer, each escaped",
    "retrieval/parse/detection.py": "names of parts in the registry of formats",
}
"""Patterns made while running from more than one :func:`re.escape` in a text."""


@dataclass(frozen=True)
class Used:
    """A pattern, and whether it is looked for anywhere in a text or only at its beginning."""

    where: str
    pattern: re.Pattern[Any]
    method: str


@cache
def files() -> dict[Path, ast.Module]:
    found = [path for name, root in PACKAGES.items() for path in (root / name).rglob("*.py")]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(found) if "versions" not in path.parts}


def module_of(path: Path) -> ModuleType:
    root = next(root for root in reversed(PACKAGES.values()) if path.is_relative_to(root))
    parts = path.relative_to(root).with_suffix("").parts
    return importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Yield the calls of ``re``'s functions that take a pattern."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=function)) if function != "escape":
                yield node


@cache
def uses() -> dict[str, set[str]]:
    """Return by which methods each name is used anywhere in the project, as if it were a pattern's."""
    found: dict[str, set[str]] = defaultdict(set)
    for tree in files().values():
        bases, loads = set(), []
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(value=(ast.Name(id=name) | ast.Attribute(attr=name)) as base, attr=attr):
                    if attr in ANYWHERE | {"match", "fullmatch", "pattern"}:
                        found[name].add(attr)
                        bases.add(base)
                case ast.Name(id=name, ctx=ast.Load()):
                    loads.append(node)
        for load in loads:
            if load not in bases:
                found[load.id].add("finditer")  # handed on: used in any way
    return found


def names_of_patterns(tree: ast.Module) -> dict[ast.expr, str]:
    return {
        node.value: node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def evaluated(call: ast.Call, module: ModuleType) -> re.Pattern[Any]:
    """Return the pattern of a call whose arguments are known when the module is.

    :raises NameError: it is made from values that are only known later.
    """
    takes = {"sub": 4, "subn": 4, "split": 3}.get(getattr(call.func, "attr", ""), 2)
    given = [*call.args[:1], *call.args[takes - (call.func.attr == "compile") :]]  # type: ignore[attr-defined]
    if getattr(call.func, "attr", "") == "compile":
        given = call.args[:2]
    given += [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
    values = [eval(compile(ast.Expression(each), "pattern", "eval"), vars(module)) for each in given]
    return re.compile(*values[:2])


def collected() -> list[Used]:
    found = []
    for path, tree in files().items():
        named = names_of_patterns(tree)
        for call in calls(tree):
            try:
                pattern = evaluated(call, module_of(path))
            except NameError:
                continue
            method = call.func.attr  # type: ignore[attr-defined]
            used = (
                uses()[named[call]] - {"pattern"}
                if call in named
                else {"finditer"}
                if method == "compile"
                else {method}
            )
            where = f"{path.relative_to(ROOT)}:{call.lineno}"
            ways = {"finditer" if way in ANYWHERE else way for way in used} or {"finditer"}
            found += [Used(where, pattern, way) for way in sorted(ways)]
    return found


PATTERNS = collected()


def test_no_pattern_escapes_these_tests() -> None:
    known = {used.pattern for used in PATTERNS}
    missed = [
        f"{path.relative_to(ROOT)}: {value.pattern!r}"
        for path, tree in files().items()
        if any(isinstance(node, ast.Name) and node.id == "re" for node in ast.walk(tree))
        for value in vars(module_of(path)).values()
        if isinstance(value, re.Pattern) and value not in known
    ]
    assert missed == []
    assert len(PATTERNS) > 100


def test_patterns_made_while_running_escape_what_they_are_made_of() -> None:
    strays = []
    for path, tree in files().items():
        where = str(path.relative_to(ROOT))
        for call in calls(tree):
            try:
                evaluated(call, module_of(path))
            except NameError:
                values = [node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.FormattedValue)]
                escaped = [ast.unparse(value).startswith("re.escape(") for value in values]
                alone = ast.unparse(call.args[0]).startswith("re.escape(")
                if not alone and not (escaped and all(escaped)) and where not in MADE_OF_SAFE_PARTS:
                    strays.append(f"{where}:{call.lineno}: {ast.unparse(call)}")
    assert strays == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("used", PATTERNS, ids=lambda used: f"{used.where} {used.method}")
def test_a_pattern_takes_time_in_proportion_to_the_text(used: Used) -> None:
    assert [repr(attack) for attack in attacks(used.pattern) if not is_linear(used, *attack)] == []


def is_linear(used: Used, before: str, repeated: str, after: str) -> bool:
    """Return whether ten times as much of a text takes up to 25 times as long. A busy machine is asked again."""

    def text(size: int) -> str:
        return before + repeated * (size // len(repeated)) + after

    short, long = map(text, SHORT_SIZES)
    for _ in range(SHORT_TRIES):
        taken = seconds(used, short)
        if taken > SLOWEST * SHORT_SIZES[0]:
            return False
        if seconds(used, long) < SHORT_RATIO * taken:
            return True
    short, long = map(text, SIZES)
    first, last = [], []
    for _ in range(TRIES):
        first.append(seconds(used, short))
        if first[-1] > SLOWEST * SIZES[0]:
            return False
        last.append(seconds(used, long))
        ratio = min(last) / min(first)
        if min(last) < FLOOR or ratio < RATIO:
            return True
        if ratio > HOPELESS and min(last) > 1:
            return False
    return False


def seconds(used: Used, text: str) -> float:
    given: Any = text.encode("latin-1", "replace") if isinstance(used.pattern.pattern, bytes) else text
    started = time.thread_time()
    if used.method == "finditer":
        for _ in used.pattern.finditer(given):
            pass
    else:
        getattr(used.pattern, used.method)(given)
    return time.thread_time() - started


def attacks(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """Return texts as (beginning, what is repeated after it, an end that lets the match of all of it fail)."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = parser.parse(source, pattern.flags & ~re.DEBUG if isinstance(pattern.pattern, str) else 0)
    found = {("", each): None for each in USUAL}
    for order in ORDERS:
        found |= dict.fromkeys(within(list(tree), "", order))
    spaces = [(before, repeated, "") for before, repeated in found if repeated.isspace()]
    return [(before, repeated, "\x01") for before, repeated in found if repeated] + spaces


def within(nodes: Sequence[Any], before: str, order: str) -> Iterator[tuple[str, str]]:
    """Yield the attacks on a sequence that is reached after ``before``."""
    for op, value in nodes:
        for branch in branches(op, value):
            if op in REPEATS:
                once = sample(branch, order)
                yield before, once
                yield "", before + once
                yield "", before + once * 30
            yield from within(branch, before, order)
        before += sample([(op, value)], order)
        yield "", before


def branches(op: Any, value: Any) -> list[Any]:
    if op in REPEATS:
        return [value[2]]
    if op is ops.SUBPATTERN:
        return [value[3]]
    if op is ops.BRANCH:
        return list(value[1])
    return [value] if op is ops.ATOMIC_GROUP else []


def sample(nodes: Sequence[Any], order: str) -> str:
    """Return a short text that matches, lookarounds and references aside."""
    return "".join(one(op, value, order) for op, value in nodes)


def one(op: Any, value: Any, order: str) -> str:
    if op is ops.LITERAL:
        return chr(value)
    if op is ops.NOT_LITERAL:
        return next(each for each in order if each != chr(value))
    if op is ops.ANY:
        return "a" if order[0].isalpha() else " "
    if op is ops.IN:
        return next((each for each in order if among(each, value)), chr(first_of(value)))
    if op in REPEATS:
        return sample(value[2], order) * max(int(value[0]), 1)
    return "".join(sample(inner, order) for inner in branches(op, value)[:1])


def among(char: str, items: Sequence[Any]) -> bool:
    negated = items[0][0] is ops.NEGATE
    hit = any(
        (op is ops.LITERAL and ord(char) == value)
        or (op is ops.RANGE and value[0] <= ord(char) <= value[1])
        or (op is ops.CATEGORY and re.match(CATEGORIES[value], char) is not None)
        for op, value in items
    )
    return hit != negated


def first_of(items: Sequence[Any]) -> int:
    """Return the first character that a set names."""
    named = (value[0] if op is ops.RANGE else value for op, value in items if op in (ops.LITERAL, ops.RANGE))
    return next(named, ord("a"))
