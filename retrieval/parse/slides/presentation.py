"""An open PowerPoint presentation: its slides, and the layouts, masters and colours that they take over."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from retrieval.parse.formats.visibility import Look
from retrieval.parse.ooxml.drawing import scheme_of, solid
from retrieval.parse.ooxml.package import A, P, R

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from retrieval.parse.formats.visibility import Colour
    from retrieval.parse.ooxml.package import Package, Relation

_TITLES = ("title", "ctrTitle")


@dataclass
class Page:
    """A slide, a layout or a master: something that has shapes.

    :param above: the layout of a slide, or the master of a layout.
    """

    path: str
    root: Element
    relations: Mapping[str, Relation]
    above: Page | None = None
    scheme: Mapping[str, Colour] = field(default_factory=dict)

    @cached_property
    def shapes(self) -> Sequence[Element]:
        """What stands directly on it, the backmost first."""
        found = self.root.find(f"{P}cSld/{P}spTree")
        return () if found is None else [*found]

    def placeholder(self, mark: Element) -> Element | None:
        """Return the placeholder here that another one, marked by a ``p:ph``, fills."""
        kind, number = kind_of(mark), mark.get("idx")
        candidates = [(each, own) for each in self.shapes if (own := mark_of(each)) is not None]
        same = (each for each, own in candidates if number is not None and own.get("idx") == number)
        alike = (each for each, own in candidates if kind_of(own) == kind)
        return next(same, None) or next(alike, None)

    def inherited(self, shape: Element) -> Iterator[Element]:
        """Yield the placeholders that a shape fills, nearest first."""
        mark = mark_of(shape)
        page = self.above
        while mark is not None and page is not None:
            found = page.placeholder(mark)
            if found is not None:
                yield found
            page = page.above

    @cached_property
    def background(self) -> Look:
        """The look of what is behind the shapes; unknown if it is a picture or a gradient."""
        page: Page | None = self
        while page is not None:
            fill = page.root.find(f"{P}cSld/{P}bg/{P}bgPr/{A}solidFill")
            if fill is None:
                fill = page.root.find(f"{P}cSld/{P}bg/{P}bgRef")
            if fill is not None:
                return Look(background=solid(fill, self.scheme))
            if page.root.find(f"{P}cSld/{P}bg") is not None:
                return Look(background=None)
            page = page.above
        return Look()


class Presentation:
    """The slides of a presentation, in their order."""

    def __init__(self, package: Package) -> None:
        self.package = package
        root = package.part(package.main)
        if root is None:
            raise package.damaged("it has no main part")
        self._root = root
        self._pages: dict[str, Page | None] = {}
        size = root.find(f"{P}sldSz")
        self.size = (_whole(size, "cx"), _whole(size, "cy")) if size is not None else (0, 0)

    def slides(self) -> Iterator[tuple[int, Page]]:
        """Yield the slides with their numbers, hidden ones included."""
        relations = self.package.relations(self.package.main)
        for number, each in enumerate(self._root.findall(f"{P}sldIdLst/{P}sldId"), start=1):
            target = relations.get(each.get(f"{R}id", ""))
            page = self._page(target.target, "slideLayout") if target is not None and not target.external else None
            if page is not None:
                yield number, page

    def notes(self, slide: Page) -> Page | None:
        """Return a slide's notes."""
        path = next((each.target for each in slide.relations.values() if each.kind == "notesSlide"), "")
        return self._page(path, "") if path else None

    def _page(self, path: str, above: str) -> Page | None:
        if path not in self._pages:
            self._pages[path] = None  # ends a circle
            root = self.package.part(path)
            if root is None:
                return None
            relations = self.package.relations(path)
            outer = next((each.target for each in relations.values() if above and each.kind == above), "")
            page = self._page(outer, "slideMaster" if above == "slideLayout" else "") if outer else None
            scheme = page.scheme if page is not None else self._scheme(root, relations)
            self._pages[path] = Page(path, root, relations, page, scheme)
        return self._pages[path]

    def _scheme(self, root: Element, relations: Mapping[str, Relation]) -> Mapping[str, Colour]:
        path = next((each.target for each in relations.values() if each.kind == "theme"), "")
        theme = self.package.part(path) if path else None
        return {} if theme is None else scheme_of(theme, root.find(f"{P}clrMap"))


def mark_of(shape: Element) -> Element | None:
    """Return what marks a shape as a placeholder."""
    return shape.find(f"*/{P}nvPr/{P}ph")


def kind_of(mark: Element) -> str:
    """Return a placeholder's kind: ``title``, ``body``, ``ftr`` and so on."""
    kind = mark.get("type", "body")
    return "title" if kind in _TITLES else "body" if kind == "obj" else kind


def _whole(element: Element, name: str) -> int:
    said = element.get(name, "")
    return int(said) if said.lstrip("-").isdecimal() and len(said) < 20 else 0
