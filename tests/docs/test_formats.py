from __future__ import annotations

import re
from pathlib import Path

from retrieval.parse.kinds import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "formats.md"


def test_the_page_of_formats_lists_those_that_are_read() -> None:
    rows = re.findall(r"^\| (.+?) \| (`\..+?`) \|", PAGE.read_text(), re.MULTILINE)
    listed = {called: tuple(re.findall(r"`(\..+?)`", suffixes)) for called, suffixes in rows}
    assert listed == {kind.called: kind.parser.suffixes for kind in KINDS}
