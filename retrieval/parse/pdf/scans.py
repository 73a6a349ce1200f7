"""Pictures of text in a document: read where text recognition is installed, and named where it isn't."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, NoReturn

from retrieval.parse.confinement import get_on
from retrieval.parse.pdf.page.ocr import Recognised, is_installed, looks_written, recognise, scale_of
from retrieval.parse.pdf.page.sheets import read_sheet
from retrieval.parse.pdf.page.visibility import rendered
from retrieval.parse.text import UNREAD, EmptyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from retrieval.parse.pdf.geometry import Box, Sheet

MEMORY = 1536 * 1024 * 1024
"""Address space for text recognition: a page of A4 at 300 dpi needs up to 1 GB."""

SPARE_SECONDS = 12
"""Left for what comes after the last page that is read."""

INSTALL = "pip install 'mentee[ocr]'"


class Scans:
    """Reads the pictures of one document.

    :param name: the document's.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._installed = is_installed()
        self._known: dict[bytes, Recognised | None] = {}
        self._unread: list[int] = []

    @property
    def flags(self) -> tuple[str, ...]:
        """What to tell about pages that nobody has read."""
        if not self._unread:
            return ()
        why = "text recognition failed or took too long" if self._installed else f"`{INSTALL}` reads scans"
        return (f"{UNREAD}{_pages(self._unread)} ({why})",)

    def refuse(self) -> NoReturn:
        """Refuse a document without text.

        :raises EmptyError: always.
        """
        if self._unread and not self._installed:
            raise EmptyError(
                f"{self._name} is a scan: {_pages(self._unread)} can't be read without text recognition (OCR).",
                hint=f"Run `{INSTALL}`, then add the document again.",
            )
        if self._unread:
            raise EmptyError(
                f"{self._name} is a scan, and text recognition failed or took too long on {_pages(self._unread)}.",
                hint="Split it, or add the original document instead.",
            )
        raise EmptyError(f"{self._name} contains no text.", hint="Add the document that its pictures were made from.")

    def read(self, sheet: Sheet, page: Any) -> Sheet:
        """Return a page with what its pictures say. A scan that was laid on its side or its head is read upright."""
        done, found = self._read(sheet, page)
        turns = (
            max(found, key=lambda each: len(each.words)).turns if found and sheet.is_scan and not sheet.words else ()
        )
        unread, rotation = [*self._unread], page.get_rotation()
        for turn in turns:
            page.set_rotation((rotation + 90 * turn) % 360)
            other, again = self._read(read_sheet(page, (), sheet.number, self._name), page)
            if _legible(again) > _legible(found):
                done, found = other, again
            if _legible(found) and not any(each.turns for each in found):
                break
        self._unread = unread
        return done

    def _read(self, sheet: Sheet, page: Any) -> tuple[Sheet, list[Recognised]]:
        """Return a page with what its pictures say. A small one that repeats, such as a logo, is read once."""
        scan, scale = sheet.is_scan, scale_of(sheet.box)
        every: list[Recognised] = []
        for box in sheet.pictures:
            if not self._installed or get_on(MEMORY) < SPARE_SECONDS:
                self._unread += [sheet.number] if scan else []
                break
            crop = (box.left, sheet.box.bottom - box.bottom, sheet.box.right - box.right, box.top)
            pixels = rendered(page, scale, crop)
            key = hashlib.sha256(pixels.tobytes()).digest()
            again = key in self._known
            try:
                found = self._known[key] if again else self._recognised(pixels, box, scale)
            except Exception:  # noqa: BLE001 - whatever the recogniser raises, the page is named as unread
                self._unread += [sheet.number] if scan else []
                break
            self._known[key] = found
            if found is not None and (scan or not again):
                every.append(found)
                words, rules, areas = sheet.words + found.words, sheet.rules + found.rules, sheet.areas + found.areas
                sheet = replace(sheet, words=words, rules=rules, areas=areas)
        return sheet, every

    def _recognised(self, pixels: NDArray[np.uint8], box: Box, scale: float) -> Recognised | None:
        return recognise(pixels, box, scale) if looks_written(pixels) else None


def _legible(found: Sequence[Recognised]) -> float:
    return sum(each.legible for each in found)


def _pages(numbers: Sequence[int]) -> str:
    """Return the names of pages, such as "pages 1 and 3–5"."""
    runs = [[number for _, number in group] for _, group in groupby(enumerate(numbers), lambda item: item[1] - item[0])]
    names = [f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"page{'s' if len(numbers) > 1 else ''} {listed}"
