"""For all tests: none leaves the environment changed, none stops the run, and what they measure is shown at its end.

A test that changes the environment fails, because it would change what later tests see. A test that hangs fails at its
time limit; if it hangs again while it is cleaned up, its process ends with the traceback of every thread.
"""

from __future__ import annotations

import faulthandler
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BY_OTHERS = {
    "HF_HUB_OFFLINE",
    "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK",
    "PYTEST_CURRENT_TEST",
    "TORCHINDUCTOR_CACHE_DIR",
}
"""Variables that pytest, model libraries and our use of them set for the whole process."""

STATUS = Path("/proc/self/status")

STDERR = pytest.StashKey[int]()
"""A descriptor of the standard error that isn't captured, for tracebacks of a process that is about to end."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STDERR] = os.dup(2)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End the process if a test is still there a minute after its time limit.

    pytest-timeout raises in the main thread, once: it can't end a call of C code that doesn't return, nor a fixture
    that waits for a thread after the test has failed.
    """
    own = item.get_closest_marker("timeout")
    limit = own.args[0] if own and own.args else item.config.getini("timeout")
    if limit:
        faulthandler.dump_traceback_later(float(limit) + 60, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded as ``measured``: pytest-xdist shows nothing that they print."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    called = [report for report in reports if getattr(report, "when", "") == "call"]
    lines = [str(line) for report in called for name, line in report.user_properties if name == "measured"]
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write("\n".join([*lines, ""]))


class Environment(NamedTuple):
    """What a test finds and must leave as it was. ``umask`` is empty where the system doesn't show it."""

    variables: dict[str, str]
    folder: str
    umask: str

    @classmethod
    def now(cls) -> Environment:
        variables = {name: value for name, value in os.environ.items() if name not in BY_OTHERS}
        # Not os.umask(), which can only be read by setting it: other threads may be writing files.
        umask = re.search(r"^Umask:\s*(\d+)$", STATUS.read_text(), re.MULTILINE) if STATUS.exists() else None
        return cls(variables, os.getcwd(), umask[1] if umask else "")  # noqa: PTH109 - as it is

    def restore(self) -> None:
        for name in os.environ.keys() - self.variables.keys() - BY_OTHERS:
            del os.environ[name]
        os.environ.update(self.variables)
        os.chdir(self.folder)
        if self.umask:
            os.umask(int(self.umask, 8))


@pytest.fixture(autouse=True)
def environment_unchanged() -> Iterator[None]:
    """Fail the test if it leaves variables, the working directory or the umask changed. ``monkeypatch`` undoes both."""
    before = Environment.now()
    yield
    after = Environment.now()
    if after == before:
        return
    before.restore()
    changed = dict(before.variables.items() ^ after.variables.items())
    where = [f"{now} (was {then})" for then, now in zip(before[1:], after[1:], strict=True) if then != now]
    pytest.fail(f"The test left the environment changed: {', '.join([*sorted(changed), *where])}", pytrace=False)
