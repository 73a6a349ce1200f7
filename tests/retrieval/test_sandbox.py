from __future__ import annotations

import sys
import time

import pytest

from bot.errors import DocumentError
from retrieval.parse.sandbox import parse_in_child

MODULE = """
import os
from bot.protocols import ParsedDocument, ParsedSection

class Loops:
    name, suffixes = "loops", (".x",)
    def parse(self, data, name):
        while True:
            pass

class Eats:
    name, suffixes = "eats", (".x",)
    def parse(self, data, name):
        return bytearray(4_000_000_000)

class Dies:
    name, suffixes = "dies", (".x",)
    def parse(self, data, name):
        os.abort()

class Tells:
    name, suffixes = "tells", (".x",)
    def parse(self, data, name):
        print("a library's chatter")
        token = os.environ.get("MENTEE_SLACK_BOT_TOKEN", "no token")
        return ParsedDocument(name, (ParsedSection(("A",), token),), ("flag",))
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    (tmp_path / "hostile_parsers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import hostile_parsers

    yield hostile_parsers
    del sys.modules["hostile_parsers"]


def test_a_loop_ends_at_the_time_limit(hostile):
    started = time.monotonic()
    with pytest.raises(DocumentError, match=r"x\.x could not be read"):
        parse_in_child(hostile.Loops(), b"x", "x.x", seconds=1)
    assert time.monotonic() - started < 15


def test_memory_ends_at_the_limit(hostile):
    with pytest.raises(DocumentError, match=r"needs more than 5(12|36)"):
        parse_in_child(hostile.Eats(), b"x", "x.x")


def test_a_crash_costs_the_child_only(hostile):
    with pytest.raises(DocumentError, match="ended by signal"):
        parse_in_child(hostile.Dies(), b"x", "x.x")


def test_the_child_sees_no_secret_and_its_chatter_does_no_harm(hostile, monkeypatch):
    monkeypatch.setenv("MENTEE_SLACK_BOT_TOKEN", "xoxb-secret")
    document = parse_in_child(hostile.Tells(), b"x", "x.x")
    assert document.title == "x.x"
    assert document.sections[0].headings == ("A",)
    assert document.sections[0].text == "no token"
    assert document.flags == ("flag",)
