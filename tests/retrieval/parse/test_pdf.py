"""PDFs as people see them: headings, paragraphs, columns, lists, links, and what repeats on each page."""

from __future__ import annotations

import io
from random import Random
from typing import TYPE_CHECKING

import pytest
from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.styles import ParagraphStyle
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from bot.domain.documents.blocks import Code, Item, Paragraph, plain
from retrieval.parse.pdf.parser import PdfParser
from tests.retrieval.parse.pdfs import blocks, cells, lines, read, said, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from reportlab.pdfgen.canvas import Canvas
    from reportlab.platypus import Flowable

LEFT = (
    "Annual leave is earned with each month that",
    "you work and may be taken after your trial",
    "period, unless your manager agrees to give it",
    "earlier because of your family.",
)
RIGHT = (
    "Sick leave begins with a message to your team",
    "and needs a letter from your doctor after the",
    "third day, which you send to the people team",
    "in a sealed envelope.",
)


def test_headings_are_told_by_their_type_and_keep_their_order() -> None:
    def page(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 20)
        canvas.drawString(72, 780, "Travel")
        canvas.setFont("Helvetica-Bold", 14)
        canvas.drawString(72, 740, "Hotels")
        canvas.setFont("Helvetica", 11)
        lines(canvas, 715, "Book below the rate. Breakfast counts as a meal, so take it off the day's allowance.")
        canvas.setFont("Helvetica-Bold", 14)
        canvas.drawString(72, 680, "Trains")
        canvas.setFont("Helvetica-Bold", 11)
        canvas.drawString(72, 655, "Seats")
        canvas.setFont("Helvetica", 11)
        lines(canvas, 635, "Second class is for journeys of up to four hours, first class for longer ones.")

    document = read(page)
    assert [section.headings for section in document.sections] == [
        ("Travel", "Hotels"),
        ("Travel", "Trains", "Seats"),
    ]
    assert document.title == "Travel"


def test_the_outline_says_how_deep_a_heading_is() -> None:
    def page(canvas: Canvas) -> None:
        for number, (name, level, top) in enumerate((("Rules", 0, 780), ("Scope", 1, 730))):
            canvas.bookmarkPage(f"k{number}")
            canvas.addOutlineEntry(name, f"k{number}", level)
            canvas.drawString(72, top, name)
            lines(canvas, top - 24, "Everyone who works here follows this, whoever pays for the journey.")

    assert [section.headings for section in read(page).sections] == [("Rules",), ("Rules", "Scope")]


def test_a_paragraph_is_one_across_lines_and_words_cut_at_a_lines_end_are_whole() -> None:
    def page(canvas: Canvas) -> None:
        lines(
            canvas,
            780,
            "The under-",
            "standing of a self-service taxi is paid at month\u00ad",
            "end. A well-known and self-",
            "service machine prints the receipt.",
            leading=13,
        )

    assert said(read(page)) == (
        "The understanding of a self-service taxi is paid at monthend. A well-known and self-service machine prints "
        "the receipt."
    )


def test_ligatures_are_letters(make_pdf: Callable[..., bytes]) -> None:
    data = make_pdf("BT /F1 12 Tf 72 700 Td (The of\\256ce) Tj ET")  # one glyph for f and i
    assert said(PdfParser().parse(data, "x.pdf")) == "The office"


def test_columns_are_read_one_after_the_other() -> None:
    def page(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawString(72, 790, "Leave of all kinds and whom to ask for it in each of our offices")
        canvas.setFont("Helvetica", 10)
        lines(canvas, 760, *LEFT, left=72)
        lines(canvas, 754, *RIGHT, left=320)  # not on the lines of the other column

    assert said(read(page)) == f"{' '.join(LEFT)}\n\n{' '.join(RIGHT)}"


def test_a_paragraph_goes_on_in_the_next_column_and_on_the_next_page() -> None:
    def first(canvas: Canvas) -> None:
        lines(canvas, 760, *LEFT[:3], "earlier because of a family", left=72)
        lines(canvas, 760, "matter or an illness. It is written down by", *RIGHT[1:3], "and is", left=320)

    def second(canvas: Canvas) -> None:
        lines(canvas, 780, "opened by nobody else.")

    document = read(first, second)
    assert len(blocks(document)) == 1
    assert "because of a family matter or" in said(document)
    assert said(document).endswith("and is opened by nobody else.")


def test_lists_keep_their_numbers_signs_and_levels() -> None:
    def page(canvas: Canvas) -> None:
        lines(canvas, 780, "Before you go:")
        lines(
            canvas, 760, "3.  Ask your manager, who has to sign the form that the travel desk sends to you", leading=14
        )
        lines(canvas, 746, "within two days", left=90)
        lines(canvas, 732, "4.  Book")
        lines(canvas, 718, "\u2022  by train", "\u2022  by bus", left=100)
        lines(canvas, 690, "b)  Tell your team")

    assert blocks(read(page)) == (
        Paragraph(plain("Before you go:"), page=1),
        Item(
            "3.",
            plain(f"Ask your manager, who has to sign the form that the travel desk sends to you {'within two days'}"),
            page=1,
        ),
        Item("4.", plain("Book"), page=1),
        Item("-", plain("by train"), 1, page=1),
        Item("-", plain("by bus"), 1, page=1),
        Item("b)", plain("Tell your team"), page=1),
    )


def test_bullets_that_are_drawn_are_bullets() -> None:
    def page(canvas: Canvas) -> None:
        for number, text in enumerate(("by train", "by bus", "on foot")):
            canvas.circle(76, 784 - 14 * number, 1.5, stroke=0, fill=1)
            canvas.drawString(86, 780 - 14 * number, text)

    assert said(read(page)) == "- by train\n- by bus\n- on foot"


def test_code_keeps_its_white_space() -> None:
    code = ("ingress:", "  hosts:", "    - name: intranet", "      paths: [0]")

    def page(canvas: Canvas) -> None:
        lines(canvas, 780, "Put this into the file that your team keeps for the cluster:")
        canvas.setFont("Courier", 10)
        lines(canvas, 750, *code, leading=12)

    assert blocks(read(page))[1] == Code("\n".join(code), page=1)


def test_columns_of_code_are_code() -> None:
    code = ("name      value", "limit     100", "city      Vienna", "country   Austria")

    def page(canvas: Canvas) -> None:
        lines(canvas, 780, "Set these in the file of your team, and start the service again:")
        canvas.setFont("Courier", 10)
        lines(canvas, 750, *code, leading=12)

    assert blocks(read(page))[1] == Code("\n".join(code), page=1)


def test_links_lead_where_they_led_and_what_is_crossed_out_does_not_hold() -> None:
    def page(canvas: Canvas) -> None:
        lines(canvas, 780, "Fill in the parking form and pay 45 60 dollars a month for it.")
        start = 72 + canvas.stringWidth("Fill in the ")
        end = start + canvas.stringWidth("parking form")
        canvas.linkURL("https://forms.example.com/parking", (start, 776, end, 791))
        canvas.linkURL("javascript:alert(1)", (72, 776, start - 20, 791))
        old = 72 + canvas.stringWidth("Fill in the parking form and pay ")
        canvas.line(old, 784, old + canvas.stringWidth("45"), 784)

    document = read(page)
    assert shown(document) == (
        "Fill in the [parking form](https://forms.example.com/parking) and pay ~~45~~ 60 dollars a month for it."
    )
    assert said(document) == "Fill in the parking form and pay 60 dollars a month for it."


def test_what_repeats_at_the_edges_of_pages_is_left_out_and_pages_are_counted() -> None:
    def page(number: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            canvas.drawString(72, 815, "Acme Ltd. \u2013 Travel policy")
            lines(canvas, 760, f"Rule {'ABC'[number - 1]} holds for everyone.")
            canvas.drawRightString(520, 30, f"Page {number} of 3")

        return draw

    document = read(page(1), page(2), page(3))
    assert said(document) == "\n\n".join(f"Rule {letter} holds for everyone." for letter in "ABC")
    assert [block.page for block in blocks(document)] == [1, 2, 3]


def test_a_page_that_is_turned_is_read_upright() -> None:
    def turned(canvas: Canvas) -> None:
        canvas.setPageRotation(90)
        canvas.translate(595, 0)
        canvas.rotate(90)
        lines(canvas, 500, "First line of the page.", "Second line of it.", leading=13)

    def sideways(canvas: Canvas) -> None:
        canvas.translate(595, 0)
        canvas.rotate(90)
        lines(canvas, 500, "Third line of the text.", "Fourth line of it.", leading=13)

    text = said(read(turned, sideways))
    assert "First line of the page. Second line of it." in text
    assert "Third line of the text. Fourth line of it." in text


def test_words_at_a_pages_side_are_read_apart() -> None:
    def page(canvas: Canvas) -> None:
        lines(canvas, 700, "The text of the page.", "It goes on here.", leading=13)
        canvas.translate(30, 600)
        canvas.rotate(90)
        canvas.drawString(0, 0, "Draft of May")

    assert said(read(page)).split("\n\n") == ["The text of the page. It goes on here.", "Draft of May"]


def test_the_values_of_a_form_are_read() -> None:
    def page(canvas: Canvas) -> None:
        lines(canvas, 780, "Your approver:")
        canvas.acroForm.textfield(name="approver", x=180, y=770, width=200, height=20, value="Ada Lovelace")

    assert "Ada Lovelace" in said(read(page))


@pytest.mark.parametrize("title", ["untitled", "Microsoft Word - rules.docx", "rules_v2.pdf"])
def test_a_title_that_a_program_made_up_gives_way_to_the_first_heading(title: str) -> None:
    def page(canvas: Canvas) -> None:
        canvas.setTitle(title)
        canvas.setFont("Helvetica-Bold", 20)
        canvas.drawString(72, 780, "Parking")
        canvas.setFont("Helvetica", 11)
        lines(canvas, 740, "The garage opens at six and closes at ten in the evening.")

    assert read(page).title == "Parking"


def test_a_box_beside_the_text_is_read_apart() -> None:
    def page(canvas: Canvas) -> None:
        lines(canvas, 780, *(f"Line {n} of a long text that goes on beside the box," for n in range(4)))
        canvas.setFillGray(0.9)
        canvas.rect(400, 735, 130, 48, stroke=0, fill=1)
        canvas.setFillGray(0)
        lines(canvas, 769, "Enrolment ends", "in November.", left=410)
        lines(canvas, 710, "Another paragraph of it.")

    first = " ".join(f"Line {n} of a long text that goes on beside the box," for n in range(4))
    assert said(read(page)).split("\n\n") == [first, "Enrolment ends in November.", "Another paragraph of it."]


def test_a_shaded_column_belongs_to_its_table() -> None:
    rows = (("City", "Hotel"), ("Vienna", "190"), ("Rome", "170"))

    def page(canvas: Canvas) -> None:
        canvas.setFillGray(0.85)
        canvas.rect(72, 640, 120, 60, stroke=0, fill=1)
        canvas.setFillGray(0)
        cells(canvas, 700, rows, (72, 200))

    assert said(read(page)) == "Vienna: Hotel 190\nRome: Hotel 170"


def test_justified_columns_are_prose_and_the_table_in_one_of_them_is_a_table() -> None:
    draw = Random(4)
    words = "travel journey hotel train cost month manager office rule limit receipt claim refund".split()  # noqa: SIM905
    style = ParagraphStyle("body", fontSize=10, leading=13, alignment=TA_JUSTIFY, spaceAfter=6)
    texts = [" ".join(draw.choices(words, k=draw.randint(40, 90))).capitalize() + "." for _ in range(12)]
    story: list[Flowable] = [Text(text, style) for text in texts]
    story.insert(4, Grid([["City", "Nights", "Cost"], ["Rome", "5", "1,200"], ["Oslo", "7", "2,400"]]))
    out = io.BytesIO()
    document = BaseDocTemplate(out)
    frames = [Frame(60, 60, 220, 720), Frame(310, 60, 220, 720)]
    document.addPageTemplates([PageTemplate(frames=frames)])
    document.build(story)
    read_again = PdfParser().parse(out.getvalue(), "x.pdf")
    assert [block.kind for block in blocks(read_again)].count("table") == 1
    assert "Rome: Nights 5, Cost 1,200" in said(read_again)
    prose = " ".join(said(read_again).replace("Rome: Nights 5, Cost 1,200\nOslo: Nights 7, Cost 2,400", "").split())
    assert prose == " ".join(texts)


def test_small_digits_above_and_below_the_line_are_no_part_of_the_number_before() -> None:
    def page(canvas: Canvas) -> None:
        left = 72.0
        for text, size, up in (("30", 11, 0), ("1", 6.5, 4), (" days, 5 m", 11, 0), ("2", 6.5, 4), (", H", 11, 0)):
            canvas.setFont("Helvetica", size)
            canvas.drawString(left, 780 + up, text)
            left += canvas.stringWidth(text, "Helvetica", size)
        canvas.setFont("Helvetica", 6.5)
        canvas.drawString(left, 777, "2")
        canvas.setFont("Helvetica", 11)
        canvas.drawString(left + 3.7, 780, "O and 12")
        canvas.setFont("Helvetica", 8)

    assert said(read(page)) == "30¹ days, 5 m², H₂O and 12"
