"""Several processes on one database: each due run is one process's, and another takes it up when that one is killed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bot.testing.stores import postgres_database
from tests.bot.hooks.jobs import clock
from tests.bot.hooks.jobs.conftest import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bot.testing import MakeHome


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The setting of the database that the processes share; empty for the home's own."""
    if request.param == "sqlite":
        yield ""
        return
    with postgres_database(template=request.getfixturevalue("postgresql_template")) as url:
        yield url


@pytest.fixture
def start(make_home: MakeHome, database: str) -> Iterator[Callable[[Path, str], subprocess.Popen[str]]]:
    """Return a function that starts a process which runs what is due, and waits until it is ready."""
    store = {"store": {"url": database}} if database else {}
    make_home(settings={"limits": {"lease_seconds": 2.0}, **store}).close()
    started: list[subprocess.Popen[str]] = []

    def run(lines: Path, how: str) -> subprocess.Popen[str]:
        command = [sys.executable, clock.__file__, str(lines), how]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        with process:  # closes its pipes
            process.kill()


async def test_a_killed_process_is_followed_by_another_once(
    start: Callable[[Path, str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    first = start(lines, "hang")
    await until(lines.exists)
    others = [start(lines, "work") for _ in range(2)]
    assert lines.read_text().split() == [str(first.pid)], "it keeps the lease while it runs"
    first.kill()
    first.wait()
    await until(lambda: len(lines.read_text().split()) > 1)
    for each in others:
        assert each.stdin is not None
        each.stdin.close()
        assert each.wait(60) == 0
    followed = lines.read_text().split()
    assert followed[0] == str(first.pid)
    assert len(followed) == 2
    assert followed[1] in {str(each.pid) for each in others}
