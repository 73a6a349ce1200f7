from __future__ import annotations

import importlib
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import DocumentError
from retrieval.parse import child, sandbox
from retrieval.parse.dispatch import parse
from retrieval.parse.sandbox import parse_in_child

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from bot.domain.documents.parsed import ParsedDocument
    from bot.domain.ports import Parser

MODULE = """
import os
import socket
import subprocess
import sys
from pathlib import Path
from bot import ParsedDocument, ParsedSection, paragraphs
from retrieval.parse.confinement import get_on

def said(text):
    return ParsedDocument("title", (ParsedSection(("A",), paragraphs(text)),), ("flag",))

class Own:
    name, suffixes = "own", (".x",)

class Loops(Own):
    def parse(self, data, name):
        while True:
            pass

class Eats(Own):
    def parse(self, data, name):
        return bytearray(4_000_000_000)

class Asks(Own):
    def parse(self, data, name):
        get_on(900_000_000)
        bytearray(600_000_000)
        return said("enough")

class AsksForTooMuch(Own):
    def parse(self, data, name):
        get_on(8_000_000_000)
        return bytearray(2_000_000_000)

class Dies(Own):
    def parse(self, data, name):
        os.abort()

class Leaves(Own):
    def parse(self, data, name):
        os._exit(0)

class Raises(Own):
    def parse(self, data, name):
        raise LookupError("no such thing")

class Rambles(Own):
    def parse(self, data, name):
        os.write(3, b"{}")
        os._exit(0)

class Misleads(Own):
    def parse(self, data, name):
        os.write(3, b'{"document": {"title": "x"}}\\n')
        os._exit(0)

class Strays(Own):
    def parse(self, data, name):
        return said("half a pair \\ud83d, a pair \\ud83d\\ude00, nothing \\0, a slash \\\\u0000")

class Tells(Own):
    def parse(self, data, name):
        print("a library's chatter")
        os.write(1, b"more of it")
        token = os.environ.get("MENTEE_SLACK_BOT_TOKEN", "no token")
        held = [each for each in os.listdir(".")]
        Path("left").write_text("something")
        return said(f"{token}, {held}, {os.getcwd() in sys.path}, {bool(sys.flags.safe_path)}")

class Calls(Own):
    def parse(self, data, name):
        return said(socket.gethostbyname("localhost"))

class CallsBehindPython(Own):
    def parse(self, data, name):
        import ctypes
        return said(str(ctypes.CDLL(None, use_errno=True).socket(socket.AF_INET, socket.SOCK_STREAM, 0)))

class HasCalled(Own):
    def parse(self, data, name):
        code = "import socket; socket.create_connection(('127.0.0.1', 1))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        return said(done.stderr.splitlines()[-1])
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "hostile_parsers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("hostile_parsers")
    del sys.modules["hostile_parsers"]


def parsed(parser: Parser, seconds: int = 30) -> ParsedDocument:
    return parse_in_child(b"x", "x.x", {".x": parser}, seconds=seconds)


def test_a_loop_ends_at_the_time_limit(hostile: ModuleType) -> None:
    started = time.monotonic()
    with pytest.raises(DocumentError, match=r"Reading x\.x took longer than 1 s"):
        parsed(hostile.Loops(), seconds=1)
    assert time.monotonic() - started < 15


def test_memory_ends_at_the_limit(hostile: ModuleType) -> None:
    with pytest.raises(DocumentError, match="needs more than 512 MB"):
        parsed(hostile.Eats())


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Dies", "ended by signal 6"),
        ("Leaves", "ended by no answer"),
        ("Raises", "failed with LookupError: no such thing"),
        ("Rambles", "ended by no answer"),
        ("Misleads", "returned nothing readable"),
    ],
)
def test_whatever_a_parser_does_is_a_named_failure_and_costs_its_child_only(
    hostile: ModuleType, parsers: Mapping[str, Parser], kind: str, said: str
) -> None:
    with pytest.raises(DocumentError, match=said) as failed:
        parsed(getattr(hostile, kind)())
    assert "x.x" in failed.value.text
    assert parse(b"Still there.", "a.txt", parsers).sections[0].text == "Still there."


def test_the_child_has_no_secret_an_empty_folder_and_chatter_does_no_harm(
    hostile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENTEE_SLACK_BOT_TOKEN", "xoxb-secret")
    for _ in range(2):
        document = parsed(hostile.Tells())
        assert document.title == "title"
        assert document.sections[0].headings == ("A",)
        assert document.sections[0].text == "no token, [], False, True"
        assert document.flags == ("flag",)


@pytest.mark.parametrize("kind", ["Calls", "CallsBehindPython", "HasCalled"])
def test_the_child_has_no_network(hostile: ModuleType, kind: str) -> None:
    if kind == "Calls":
        with pytest.raises(DocumentError, match="PermissionError: a parser has no network"):
            parsed(hostile.Calls())
    elif sys.platform == "linux":
        said = parsed(getattr(hostile, kind)()).sections[0].text
        assert said == "-1" or said.startswith("PermissionError")


def test_modules_in_the_working_folder_are_not_taken_for_the_parsers_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parsers: Mapping[str, Parser]
) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('taken')")
    monkeypatch.chdir(tmp_path)
    sandbox._POOL.close()
    assert parse(b"---\ntitle: T\n---\nText.", "a.md", parsers).title == "T"


def test_what_no_database_takes_is_replaced(hostile: ModuleType) -> None:
    text = parsed(hostile.Strays()).sections[0].text
    assert text == "half a pair \ufffd, a pair \U0001f600, nothing  , a slash \\u0000"


def test_a_process_that_is_gone_is_replaced(parsers: Mapping[str, Parser]) -> None:
    parse(b"One.", "a.txt", parsers)
    [warm] = sandbox._POOL._idle[-1:]
    warm._process.kill()
    warm._process.wait()
    assert parse(b"Two.", "b.txt", parsers).sections[0].text == "Two."


def test_one_process_serves_one_document_after_the_other(parsers: Mapping[str, Parser]) -> None:
    parse(b"One.", "a.txt", parsers)
    warm = sandbox._POOL._idle[-1]
    parse(b"Two.", "b.txt", parsers)
    assert sandbox._POOL._idle[-1] is warm


@pytest.mark.parametrize(
    ("said", "most", "heard"),
    [
        ([(4.0, b" "), (4.0, b" "), (4.0, b"{}\n")], 60, (b"{}\n", "")),
        ([(4.0, b" "), (6.0, b"{}\n")], 60, (b"", "time")),
        ([(4.0, b" "), (4.0, b" "), (4.0, b"{}\n")], 10, (b"", "time")),
        ([(4.0, b"{"), (4.0, b"}\n")], 60, (b"", "time")),
        ([(4.0, b"  {"), (0.5, b"}\n")], 60, (b"  {}\n", "")),
    ],
    ids=["gets on", "stops", "takes longer than any may", "answers slowly", "gets on and answers at once"],
)
def test_a_child_has_more_time_while_it_gets_on(
    monkeypatch: pytest.MonkeyPatch, said: list[tuple[float, bytes]], most: float, heard: tuple[bytes, str]
) -> None:
    clock = 0.0
    coming = iter([*said, (0.0, b"")])
    due: list[bytes] = []

    def select(
        reading: list[int], _: list[int], __: list[int], timeout: float
    ) -> tuple[list[int], list[int], list[int]]:
        nonlocal clock
        delay, part = next(coming)
        clock += min(delay, timeout)
        due.append(part)
        return (reading if delay <= timeout else []), [], []

    monkeypatch.setattr(child, "select", SimpleNamespace(select=select))
    monkeypatch.setattr(child, "time", SimpleNamespace(monotonic=lambda: clock))
    monkeypatch.setattr(child, "os", SimpleNamespace(read=lambda *_: due.pop()))
    assert child._received(0, 5, most) == heard


def test_a_parser_may_ask_for_memory_up_to_a_limit(hostile: ModuleType) -> None:
    assert parsed(hostile.Asks()).title == "title"
    with pytest.raises(DocumentError, match="needs more than"):
        parsed(hostile.AsksForTooMuch())
