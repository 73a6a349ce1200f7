"""An instance that is opened, served, asked and stopped leaves no open file and no thread."""

from __future__ import annotations

import gc
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plugins.web.testing.fixtures import answer

if TYPE_CHECKING:
    from bot.testing import ServeHome
    from plugins.web.testing.fixtures import MakeWeb, Visit

DESCRIPTORS = Path("/proc/self/fd")
TIMES, SLACK = 3, 2


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="this system doesn't show a process's open files")
def test_nothing_is_left_open_however_often_an_instance_is_served(
    make_web: MakeWeb, serve_home: ServeHome, visit: Visit
) -> None:
    def serve_once() -> tuple[int, int]:
        mentee = make_web()
        served = serve_home(mentee)
        with closing(visit(served)) as client:
            assert "12 states" in answer(client, "Are hotels tax exempt?")["text"]
        served.stop()
        mentee.close()
        gc.collect()
        return len(list(DESCRIPTORS.iterdir())), threading.active_count()

    serve_once()  # imports and caches open some files for good
    before = serve_once()
    after = [serve_once() for _ in range(TIMES)][-1]
    assert after[0] <= before[0] + SLACK, "files were left open"
    assert after[1] <= before[1] + SLACK, "threads were left running"
