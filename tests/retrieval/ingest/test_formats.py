from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING

import docx
import openpyxl
import pptx
from pptx.util import Inches

from bot.domain.people import Audience
from retrieval.parse.dispatch import built_in_parsers, by_suffix
from retrieval.parse.kinds import SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from retrieval.ingest.documents import Documents

ROWS = (("City", "Hotel allowance"), ("Vienna", "190 EUR"), ("Graz", "150 EUR"))


def write_all(folder: Path) -> None:
    """Write the same table as each kind of Office file, as delimited text, and attached to a mail."""
    document = docx.Document()
    table = document.add_table(len(ROWS), 2)
    workbook = openpyxl.Workbook()
    deck = pptx.Presentation()
    cells = deck.slides.add_slide(deck.slide_layouts[6]).shapes.add_table(3, 2, 0, 0, Inches(4), Inches(2)).table
    for number, row in enumerate(ROWS):
        workbook.worksheets[0].append(row)
        for column, text in enumerate(row):
            table.cell(number, column).text = cells.cell(number, column).text = text
    document.save(str(folder / "rates.docx"))
    workbook.save(folder / "rates.xlsx")
    deck.save(str(folder / "rates.pptx"))
    text = "\n".join(";".join(row) for row in ROWS)
    (folder / "rates.csv").write_text(text)
    mail = EmailMessage()
    mail["Subject"] = "Rates"
    mail.set_content("See below.")
    mail.add_attachment(text.encode(), maintype="text", subtype="csv", filename="attached.csv")
    (folder / "rates.eml").write_bytes(mail.as_bytes())


def test_a_folder_of_all_formats_is_added_and_each_row_found(
    documents_home: tuple[Mentee, Documents, Path], tmp_path: Path
) -> None:
    mentee, documents, _ = documents_home
    folder = tmp_path / "office"
    folder.mkdir()
    write_all(folder)
    report = documents.add([str(folder)], "travel")
    assert {outcome.address.rpartition("/")[2]: outcome.state for outcome in report.outcomes} == dict.fromkeys(
        ("rates.csv", "rates.docx", "rates.eml", "rates.pptx", "rates.xlsx"), "added"
    )
    found = mentee.retriever.search("What is the hotel allowance in Vienna?", "travel", Audience())
    assert "Vienna: Hotel allowance 190 EUR" in found[0].text


def test_every_media_type_stands_for_a_suffix_that_has_a_parser() -> None:
    assert set(SUFFIXES.values()) <= set(by_suffix(built_in_parsers()))
