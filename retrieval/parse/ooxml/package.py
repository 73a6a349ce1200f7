"""The package of an Office file: a zip of XML parts that refer to each other. It comes from anyone."""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from bot.domain.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

MAX_UNPACKED = 200_000_000
MAX_PARTS = 20_000

MAIN = "officeDocument"
_TRANSITIONAL = "http://schemas.openxmlformats.org/"
W = f"{{{_TRANSITIONAL}wordprocessingml/2006/main}}"
S = f"{{{_TRANSITIONAL}spreadsheetml/2006/main}}"
P = f"{{{_TRANSITIONAL}presentationml/2006/main}}"
A = f"{{{_TRANSITIONAL}drawingml/2006/main}}"
C = f"{{{_TRANSITIONAL}drawingml/2006/chart}}"
DGM = f"{{{_TRANSITIONAL}drawingml/2006/diagram}}"
M = f"{{{_TRANSITIONAL}officeDocument/2006/math}}"
R = f"{{{_TRANSITIONAL}officeDocument/2006/relationships}}"
WPS = "{http://schemas.microsoft.com/office/word/2010/wordprocessingShape}"
V = "{urn:schemas-microsoft-com:vml}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_RELATIONS = f"{{{_TRANSITIONAL}package/2006/relationships}}Relationship"

_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w{1,40})/")
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_BROKEN = (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError, OSError)
_HEAD = 64_000
_SAYS = (f"{W}t", f"{A}t", f"{M}t")


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part refers to: another part by its path, or, if ``external``, an address."""

    kind: str
    target: str
    external: bool


class Package:
    """The parts of an Office file, read one at a time.

    :param kind: what the file should be, such as ``Word document``; errors say it.
    :raises DocumentError: it is damaged, too large, or contains macros.
    """

    def __init__(self, data: bytes, name: str, kind: str) -> None:
        self.name = name
        self._kind = kind
        with self._readable():
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        entries = self._archive.infolist()
        if len(entries) > MAX_PARTS:
            raise DocumentError(f"{name} has more than {MAX_PARTS:,} parts.", hint="Split it.")
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
            raise DocumentError(f"{name} unpacks to more than {MAX_UNPACKED // 1_000_000} MB.", hint="Split it.")
        if any(entry.filename.endswith("vbaProject.bin") for entry in entries):
            raise DocumentError(f"{name} contains macros.", hint="Save it again without macros.")

    @cached_property
    def main(self) -> str:
        """The path of the part that the others belong to."""
        found = [each.target for each in self.relations("").values() if each.kind == MAIN and not each.external]
        if not found:
            raise self.damaged("it names no main part")
        return found[0]

    def part(self, path: str) -> Element | None:
        """Return the root of a part; ``None`` if the file has no such part.

        :raises DocumentError: it is no XML, or declares a document type.
        """
        data = self.bytes(path)
        if data is None:
            return None
        plain = data.replace(b"\0", b"") if b"\0" in data else data
        if _DECLARATION.search(plain):
            raise self.damaged(f"{path} declares a document type")
        try:
            root = ET.fromstring(data)  # noqa: S314 - no document type, so no entities
        except (ET.ParseError, ValueError, LookupError) as error:
            raise self.damaged(f"{path}: {error}") from error
        if MC.encode().strip(b"{}") in plain:
            _resolve_alternatives(root)
        return root

    def elements(self, path: str, *tags: str) -> Iterator[Element]:
        """Yield elements of a part one by one, each whole and only until the next is asked for.

        :raises DocumentError: the part is no XML, or declares a document type.
        """
        with self._readable():
            if path not in self._archive.NameToInfo:
                return
            with self._archive.open(path) as part:
                head = part.read(_HEAD)
            strict = _STRICT.search(head)
            if _DECLARATION.search(head.replace(b"\0", b"")):
                raise self.damaged(f"{path} declares a document type")
            with io.BytesIO(self.bytes(path) or b"") if strict else self._archive.open(path) as part:
                try:
                    for _, element in ET.iterparse(part, events=("end",)):  # noqa: S314 - no document type
                        if element.tag in tags:
                            yield element
                            element.clear()
                except (ET.ParseError, ValueError, LookupError) as error:
                    raise self.damaged(f"{path}: {error}") from error

    def bytes(self, path: str) -> bytes | None:
        """Return a part's content, with the namespaces of the transitional form."""
        with self._readable():
            try:
                data = self._archive.read(path)
            except KeyError:
                return None
        return _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", data)

    def relations(self, path: str) -> Mapping[str, Relation]:
        """Return what a part refers to, by id. ``""`` is the whole file."""
        folder, _, base = path.rpartition("/")
        root = self.part(posixpath.join(folder, "_rels", f"{base}.rels"))
        return {} if root is None else dict(_relations(root, folder))

    def related(self, path: str, kind: str) -> Sequence[str]:
        """Return the paths of the parts of a kind that a part refers to."""
        return [each.target for each in self.relations(path).values() if each.kind == kind and not each.external]

    def damaged(self, reason: str) -> DocumentError:
        """Return the error for a file that can't be read."""
        return DocumentError(f"{self.name} is not a readable {self._kind}: {reason}.", hint="Save it again.")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            raise self.damaged(str(error)) from error


def _relations(root: Element, folder: str) -> Iterator[tuple[str, Relation]]:
    for each in root.iter(_RELATIONS):
        kind = each.get("Type", "").rpartition("/")[2]
        target = each.get("Target", "")
        external = each.get("TargetMode") == "External"
        if not external:
            target = posixpath.normpath(posixpath.join("/", folder, unquote(target.partition("#")[0]))).lstrip("/")
        yield each.get("Id", ""), Relation(kind, target, external)


def _resolve_alternatives(root: Element) -> None:
    """Put one of several alternatives in their place: the first that says something, or else the fallback."""
    for parent in reversed([*root.iter()]):  # inner ones first
        if any(child.tag == f"{MC}AlternateContent" for child in parent):
            parent[:] = [kept for child in parent for kept in _chosen(child)]


def _chosen(element: Element) -> Sequence[Element]:
    if element.tag != f"{MC}AlternateContent":
        return [element]
    choices = sorted(element, key=lambda each: each.tag != f"{MC}Choice")
    return [*next((each for each in choices if _says_something(each)), choices[-1] if choices else ())]


def _says_something(element: Element) -> bool:
    return any(
        (each.tag in _SAYS and (each.text or "").strip()) or each.get("descr") or each.get("string")
        for each in element.iter()
    )
