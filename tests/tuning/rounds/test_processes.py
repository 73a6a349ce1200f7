from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tuning.rounds.processes import ChildFailedError, ChildKilledError, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MODULES = {
    "steps": """
import json, sys, time
path = json.load(open(sys.argv[1]))["progress"]
for step in range(3):
    open(path, "a").write(json.dumps({"phase": "sft", "step": step}) + "\\n")
    time.sleep(0.1)
open(path, "a").write('{"phase": "cut')
""",
    "fails": "import sys; print('first'); sys.exit('The loss is no number.')",
    "refuses": "from bot.domain.errors import MenteeError\nraise MenteeError('No such dataset.', hint='Start again.')",
    "crashes": "import os; os.abort()",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "appends": """
import json, sys, time
path = json.load(open(sys.argv[1]))["progress"]
for step in range(20):
    open(path, "a").write(json.dumps({"step": step}) + "\\n")
    time.sleep(0.02)
""",
    "waits": "import os, sys, time; open(sys.argv[1] + '.pid', 'w').write(str(os.getpid())); time.sleep(60)",
}


class Child:
    """Runs one of the modules above, and keeps what it told."""

    def __init__(self, job: Path, progress: Path) -> None:
        self.job, self.progress = job, progress
        self.seen: list[Mapping[str, Any]] = []

    def __call__(self, name: str, **options: Any) -> None:
        run(f"child_{name}", self.job, self.progress, on_progress=self.seen.append, **options)


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    for name, text in MODULES.items():
        (tmp_path / f"child_{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    job, progress = tmp_path / "job.json", tmp_path / "progress.jsonl"
    job.write_text(json.dumps({"progress": str(progress)}))
    return Child(job, progress)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter: it went while it was read
        return False


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_progress_is_handed_on_line_by_line_and_a_cut_line_waits(child: Child) -> None:
    child("steps")
    assert [line["step"] for line in child.seen] == [0, 1, 2]


def test_lines_of_an_earlier_run_are_not_handed_on_again(child: Child) -> None:
    child.progress.write_text('{"step": "old"}\n')
    child("steps")
    assert [line["step"] for line in child.seen] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "says"), [("fails", "The loss is no number."), ("refuses", "No such dataset."), ("crashes", "signal 6")]
)
def test_a_failure_tells_what_the_child_said(child: Child, name: str, says: str) -> None:
    with pytest.raises(ChildFailedError, match=says):
        child(name)


def test_a_kill_from_outside_is_told_apart_from_a_failure(child: Child) -> None:
    with pytest.raises(ChildKilledError, match="signal 9"):
        child("killed")


def test_a_child_is_stopped_when_asked(child: Child) -> None:
    pid = child.job.with_name("job.json.pid")

    def check_in() -> None:
        if pid.exists() and pid.read_text():
            raise TimeoutError

    with pytest.raises(TimeoutError):
        child("waits", check_in=check_in)
    wait_for(lambda: not alive(int(pid.read_text())))


def test_two_children_of_one_job_run_one_after_the_other(child: Child) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(child, ["appends", "appends"]))
    steps = [json.loads(line)["step"] for line in child.progress.read_text().splitlines()]
    assert steps == [*range(20), *range(20)]


def test_the_child_dies_with_a_killed_parent(child: Child) -> None:
    script = f"""
from pathlib import Path
from tuning.rounds.processes import run
run("child_waits", Path({str(child.job)!r}), Path({str(child.progress)!r}), on_progress=print)
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    pid = child.job.with_name("job.json.pid")
    wait_for(lambda: pid.exists() and pid.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not alive(int(pid.read_text())))
