"""What a page's styles say of its elements: inline styles, and the plain rules of the style sheets in the page.

A rule counts if each of its selectors' parts is made of a tag, classes and an id, as in ``table.rates > td #sum``.
Rules for states, such as ``:hover``, and rules within ``@media`` and the like are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_SHEETS = 500_000
"""Characters of a page's style sheets that are read."""

HIDING = frozenset(
    ("display", "visibility", "opacity", "content-visibility", "height", "max-height", "width", "clip", "clip-path")
) | frozenset(("transform", "left", "top", "text-indent", "margin-left", "font-size"))
"""Properties that can make an element invisible whatever its colours."""

_LOOKS = frozenset(
    ("color", "background", "background-color", "text-decoration", "text-decoration-line", "overflow", "white-space")
) | frozenset(("list-style", "list-style-type"))
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMPOUND = re.compile(r"(?P<tag>[a-z][\w-]*|\*)?(?P<marks>(?:[.#][\w-]+)*)", re.IGNORECASE)
_MARK = re.compile(r"([.#])([\w-]+)")
_BRACES = re.compile(r"[{}]")
_IMPORTANT = "!important"


def declarations(style: str) -> dict[str, str]:
    """Return the values of a style's declarations by property, in lower case, the last one of each property."""
    found: dict[str, str] = {}
    for declaration in style.split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            _put(found, name.strip().lower(), " ".join(value.lower().split()))
    return found


def _put(into: dict[str, str], name: str, value: str) -> None:
    """Add a declaration, which a former one that is important outlasts."""
    if into.get(name, "").endswith(_IMPORTANT) and not value.endswith(_IMPORTANT):
        return
    into.pop(name, None)  # the last one stands last, as background and background-color overrule each other
    into[name] = value


@dataclass(frozen=True, slots=True)
class _Compound:
    """What a part of a selector asks of an element."""

    tag: str
    identity: str
    classes: frozenset[str]

    def matches(self, node: LexborNode, attributes: Mapping[str, str | None]) -> bool:
        if self.tag not in ("", node.tag):
            return False
        if self.identity and attributes.get("id") != self.identity:
            return False
        return self.classes <= _classes(attributes)

    @property
    def key(self) -> str:
        """What an element that matches has, and few others."""
        return f"#{self.identity}" if self.identity else f".{min(self.classes)}" if self.classes else self.tag or "*"

    @property
    def weight(self) -> tuple[int, int, int]:
        return bool(self.identity), len(self.classes), bool(self.tag)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Declarations for elements that match the last part, within elements that match the others, from the inside."""

    parts: tuple[tuple[_Compound, bool], ...]
    style: Mapping[str, str]

    @property
    def weight(self) -> tuple[int, ...]:
        return tuple(map(sum, zip(*(part.weight for part, _ in self.parts), strict=True)))

    def matches(self, node: LexborNode, attributes: Mapping[str, str | None]) -> bool:
        (own, direct), *outer = self.parts
        if not own.matches(node, attributes):
            return False
        around = node.parent
        for part, next_direct in outer:
            while around is not None and not part.matches(around, around.attributes):
                around = None if direct else around.parent
            if around is None:
                return False
            around, direct = around.parent, next_direct
        return True


class StyleSheets:
    """The style sheets in a page.

    :ivar elsewhere: whether the page has others as well, which can't be read.
    :ivar unfolds: whether the page may show on demand what it hides at first, as tabs do.
    """

    def __init__(self, tree: LexborHTMLParser) -> None:
        text = "\n".join(node.text() for node in tree.css("style"))[:MAX_SHEETS]
        self.elsewhere = "@import" in text or tree.css_first("link[rel~=stylesheet i]") is not None
        self.unfolds = tree.css_first("script") is not None
        rules = sorted(self._rules(_COMMENT.sub(" ", text)), key=lambda rule: rule.weight)
        self._by_key: dict[str, list[tuple[int, _Rule]]] = {}
        for number, rule in enumerate(rules):
            self._by_key.setdefault(rule.parts[0][0].key, []).append((number, rule))

    def of(self, node: LexborNode, attributes: Mapping[str, str | None]) -> dict[str, str]:
        """Return the declarations for an element.

        If the page shows elements on demand, its sheets hide none.
        """
        own = declarations(attributes.get("style") or "")
        if not self._by_key:
            return own
        keys = ["*", node.tag or "", f"#{attributes.get('id')}", *(f".{name}" for name in _classes(attributes))]
        candidates = sorted(each for key in keys for each in self._by_key.get(key, ()))
        found: dict[str, str] = {}
        for style in (*(rule.style for _, rule in candidates if rule.matches(node, attributes)), own):
            for name, value in style.items():
                if style is own or not self.unfolds or name not in HIDING:
                    _put(found, name, value)
        return found

    def _rules(self, text: str) -> Iterator[_Rule]:
        for selectors, body in _blocks(text):
            style = {name: value for name, value in declarations(body).items() if name in HIDING | _LOOKS}
            for selector in selectors.split(",") if style else ():
                if parts := _parts(selector):
                    yield _Rule(parts, style)
                elif ":" in selector and not HIDING.isdisjoint(style):
                    self.unfolds = True


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the selectors and the declarations of the rules that stand by themselves."""
    at = 0
    while (opening := text.find("{", at)) >= 0:
        head = text[at:opening].rpartition(";")[2].strip()
        closing = text.find("}", opening)
        if closing < 0:
            return
        if head.startswith("@"):
            at = _end(text, opening)
        else:
            yield head, text[opening + 1 : closing]
            at = closing + 1


def _end(text: str, opening: int) -> int:
    """Return where a block ends that holds others."""
    depth = 0
    for match in _BRACES.finditer(text, opening):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return match.end()
    return len(text)


def _parts(selector: str) -> tuple[tuple[_Compound, bool], ...]:
    """Return the parts of a selector from the inside, each with whether it stands directly in the next one.

    A selector of another form has none.
    """
    found: list[tuple[_Compound, bool]] = []
    for said in reversed(selector.replace(">", " > ").split()):
        if said == ">":
            if not found:
                return ()
            found[-1] = (found[-1][0], True)
            continue
        match = _COMPOUND.fullmatch(said)
        if match is None:
            return ()
        marks = _MARK.findall(match["marks"])
        tag = (match["tag"] or "").lower().replace("*", "")
        identity = next((name for mark, name in marks if mark == "#"), "")
        found.append((_Compound(tag, identity, frozenset(name for mark, name in marks if mark == ".")), False))
    return tuple(found)


def _classes(attributes: Mapping[str, str | None]) -> frozenset[str]:
    return frozenset((attributes.get("class") or "").split())
