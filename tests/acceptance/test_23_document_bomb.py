"""A document made to exhaust Mentee fails within its limits; other documents are added and nothing stalls.

Check 23: a PDF that loops, a Word file that unpacks to gigabytes, ten thousand pages, macros, YAML that unfolds, and
blanks or braces that a careless pattern takes minutes over; added with others, and attached in Slack.
"""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.people import Audience
from bot.testing.notes import make_plugin
from retrieval.assembly import open_documents
from retrieval.attachments import read_attachment
from retrieval.parse import dispatch
from retrieval.parse.dispatch import built_in_parsers, by_suffix
from retrieval.parse.sandbox import parse_in_child

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from bot.domain.documents.parsed import ParsedDocument
    from bot.domain.ports import Parser
    from bot.testing.homes import MakeHome
    from plugins.slack.testing.fixtures import SlackProject

SECONDS = 5
"""Limit of a document here, so that the test ends sooner; it is 30 s otherwise."""

STALL = 0.5
"""Longest that the event loop may stand still, in seconds: this machine may be busy."""

PARSERS = {"parsers": make_plugin(register_parsers=built_in_parsers)}


def pdf(*objects: str, root: int = 1) -> bytes:
    """Return a PDF of the objects, which count from 1."""
    out, places = b"%PDF-1.4\n", []
    for number, value in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{value}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root {root} 0 R >>\n"
    return out + f"{end}startxref\n{len(out)}\n%%EOF\n".encode("latin-1")


def drawing(content: str, *more: str) -> tuple[str, ...]:
    """Return the objects of a page: catalogue, pages, page, content, and more from number 5 on."""
    resources = "/Resources << /XObject << /X5 5 0 R /X6 6 0 R >> >>"
    return (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {resources} /Contents 4 0 R >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        *more,
    )


def form(content: str, *used: int) -> str:
    names = " ".join(f"/X{number} {number} 0 R" for number in used)
    head = f"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << {names} >> >>"
    return f"{head} /Length {len(content)} >>\nstream\n{content}\nendstream"


def looping_pdf() -> bytes:
    """Forms that draw each other ten times at each of many levels, the last of them the first again."""
    levels = range(5, 25)
    forms = [form(f"/X{level + 1} Do " * 10, level + 1) for level in levels]
    return pdf(*drawing("/X5 Do", *forms, form("/X5 Do " * 10, 5)))


def many_pages() -> bytes:
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>"
    kids = " ".join(f"{number} 0 R" for number in range(3, 10_003))
    pages = f"<< /Type /Pages /Kids [{kids}] /Count 10000 >>"
    return pdf("<< /Type /Catalog /Pages 2 0 R >>", pages, *([page] * 10_000))


def docx(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "<w:document/>")
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def unfolding_yaml() -> bytes:
    levels = ["a0: &a0 {k: v, l: w}"] + [
        f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 16)
    ]
    return ("---\n" + "\n".join(levels) + "\n---\nText.\n").encode()


def bomb_of_pages() -> bytes:
    """A page for every level of elements in elements: the parser's own recursion."""
    return b"<html><body>" + b"<div>" * 100_000 + b"x"


REFUSED: dict[str, Callable[[], bytes]] = {
    "looping.pdf": looping_pdf,
    "pages.pdf": many_pages,
    "bomb.docx": lambda: docx(**{"word/media.xml": b"0" * 250_000_000}),
    "macros.docx": lambda: docx(**{"word/vbaProject.bin": b"macro"}),
    "unfolds.md": unfolding_yaml,
    "deep.html": bomb_of_pages,
}
SLOW_ONCE: dict[str, Callable[[], bytes]] = {
    "blanks.txt": lambda: b"a" + b" " * 60_000 + b"b",
    "braces.md": lambda: b"{{" * 20_000,
    "tags.md": lambda: b"{% a" + b"a" * 40_000,
    "comments.md": lambda: b"<!--" * 10_000,
    "fences.md": lambda: b"```a\n" * 8_000,
    "titles.md": lambda: b"---\ntitle: " + b"a " * 20_000 + b"\n: [\n---\nText.\n",
    "items.html": lambda: b"<html><body>x" + b"<br>" * 20_000 + b"x",
}


class LoopsParser:
    """Never comes back."""

    name = "loops"
    suffixes: tuple[str, ...] = (".loops",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:  # noqa: ARG002 - a parser's arguments
        while True:
            pass


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*given: Any, **named: Any) -> ParsedDocument:
        return parse_in_child(*given, seconds=SECONDS, **named)

    monkeypatch.setattr(dispatch, "parse_in_child", parse)


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("impatient")
def test_the_file_fails_and_the_batch_goes_on(make_home: MakeHome, tmp_path: Path) -> None:
    loops = {"loops": make_plugin(register_parsers=lambda: [LoopsParser()])}
    mentee = make_home(departments=("travel",), built_in=("retrieval.plugin", "plugins.sources"), extra_plugins=loops)
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, make in {**REFUSED, **SLOW_ONCE}.items():
        (folder / name).write_bytes(make())
    (folder / "endless.loops").write_bytes(b"x")
    (folder / "a.md").write_text("# Hotels\n\nBook hotels in Concur.\n")
    (folder / "z.md").write_text("# Leave\n\nYou earn four hours.\n")
    started = time.monotonic()
    report = open_documents(mentee, actor="test").add([str(folder)], "travel")
    states = {outcome.address.rpartition("/")[2]: outcome for outcome in report.outcomes}
    assert {name for name, outcome in states.items() if outcome.state == "failed"} == {*REFUSED, "endless.loops"}
    assert all(name in outcome.reason for name, outcome in states.items() if outcome.state == "failed")
    assert {states["a.md"].state, states["z.md"].state, states["blanks.txt"].state} == {"added"}
    assert "took longer than" in states["endless.loops"].reason
    assert mentee.retriever.search("leave hours", "travel", Audience())[0].text.startswith("You earn")
    assert time.monotonic() - started < 120


async def longest_stall(work: Awaitable[Any]) -> tuple[float, Any]:
    """Return the longest time for which the event loop stood still while the work was done, and its result."""
    task = asyncio.ensure_future(work)
    longest = 0.0
    while not task.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
    return longest, task.result()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", [*REFUSED, *SLOW_ONCE, "endless.loops"])
async def test_the_event_loop_never_stalls_while_an_attachment_is_read(name: str) -> None:
    parsers: Mapping[str, Parser] = by_suffix([*built_in_parsers(), LoopsParser()])
    data = {**REFUSED, **SLOW_ONCE}.get(name, lambda: b"x")()
    stalled, read = await longest_stall(asyncio.to_thread(read_attachment, data, name, parsers))
    assert stalled < STALL
    assert read.problem if name in REFUSED or name == "endless.loops" else read.pieces or read.problem


async def test_in_slack_the_answer_names_the_file_and_nothing_stalls(slack_project: Any, fake_slack: Any) -> None:
    project: SlackProject = await slack_project(plugins=PARSERS)
    project.engine.answer = "Book hotels in Concur [1]."
    files = [
        fake_slack.files.add(name, make()) for name, make in SLOW_ONCE.items() if name in ("blanks.txt", "braces.md")
    ]
    files.append(fake_slack.files.add("unfolds.md", unfolding_yaml()))

    async def answered() -> Any:
        await fake_slack.mention("Where do I book hotels?", files=files)
        return await fake_slack.wait_for_post("C1")

    stalled, post = await longest_stall(answered())
    assert stalled < STALL
    assert "unfolds.md" in post.shown
