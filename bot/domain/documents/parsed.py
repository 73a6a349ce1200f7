"""Documents from sources, and parsed documents."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.documents.blocks import Block  # noqa: TC001 - read when documents are stored as JSON
from bot.domain.documents.rendering import rendered
from bot.domain.errors import DocumentError
from bot.domain.people import principal_problem

MAX_BYTES = 64_000_000
"""Maximum size of a document."""

NOBODY = "nobody"
"""Stands among the readers of a document that nobody may read; no person is this principal."""


@dataclass(frozen=True, slots=True)
class ParsedSection:
    """What stands under one heading path (outermost heading first).

    :param blocks: paragraphs, list items, tables, code and so on; :func:`bot.paragraphs` makes them from plain text.
    """

    headings: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        """The section's text as models and the index read it."""
        return rendered(self.blocks).text


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A parsed document: a title and sections in reading order. ``flags`` lists problems such as hidden text."""

    title: str
    sections: tuple[ParsedSection, ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read a document: ``Readers.department()``, ``Readers.only("user:ada", …)`` or ``Readers.nobody()``.

    ``Readers()`` is ``Readers.department()``: without principals, a document is open to everyone who may ask the
    department. If you compute principals, use ``Readers.only(*principals)``: if there are none, nobody may read it.

    :param principals: as documents store them; none means everyone who may ask the department.
    :raises DocumentError: one of them can't be a principal, such as a name without its kind (``ada``). Whether there is
        such a person, department or channel isn't checked.
    """

    principals: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if isinstance(self.principals, str):
            raise DocumentError(
                f"The readers are {self.principals!r:.100}. Expected a set.", hint="Use Readers.only(…)."
            )
        object.__setattr__(self, "principals", frozenset(self.principals))
        for problem in map(principal_problem, self.principals - {NOBODY}):
            if problem:
                raise DocumentError(problem, hint="Correct what the source says about its readers.")

    @classmethod
    def department(cls) -> Readers:
        """Everyone who may ask the department, the default of ``Readers``."""
        return cls()

    @classmethod
    def only(cls, *principals: str) -> Readers:
        """These: ``user:…``, ``department:…``, a channel such as ``slack:C1``, or ``everyone``; nobody if none.

        :raises DocumentError: one of them can't be a principal.
        """
        return cls(frozenset(principals)) if principals else cls.nobody()

    @classmethod
    def nobody(cls) -> Readers:
        """Nobody but operators, who may read everything."""
        return cls(frozenset({NOBODY}))


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document from a source.

    :param address: where people find it, such as a page's URL. It is shown in citations and identifies the document. A
        path that isn't absolute is one below the source's address.
    :param readers: who may read it, checked at each sync. ``None`` says nothing: they stay as they are, and new
        documents can be read by everyone who may ask the department.
    :param title: shown in citations instead of the title found in the document.
    :param media_type: such as ``text/html``, if the address has no suffix that tells.
    :param file_name: such as ``page.html``, which tells the same.
    """

    address: str
    data: bytes
    readers: Readers | None = None
    title: str = ""
    media_type: str = ""
    file_name: str = ""
