"""An index build that is killed or fills the disk leaves the old or the new snapshot intact; search never stops.

Fifty points of a build, spread over every file operation in the home, each ended by kill -9 in a real process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.people import Audience
from bot.storage.artifacts import verify
from retrieval.assembly import open_documents
from retrieval.search.hybrid import HybridRetriever

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome

POINTS = 50
DRIVER = """
import json, os, signal, sys, resource
from pathlib import Path
from bot.app import open_mentee
from bot.domain.errors import ArtifactError
from bot.config.settings import load_settings
import retrieval.search.hybrid, retrieval.assembly

home, docs, points = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
seen = {"count": 0, "stop": 0}

def watch(event, arguments):
    if event in ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove") and str(arguments[0]).startswith(home):
        seen["count"] += 1
        if seen["count"] == seen["stop"]:
            os.kill(os.getpid(), signal.SIGKILL)

def change(version, stop=0, disk=0):
    (docs / "leave.md").write_text(f"# Leave\\n\\nVersion {version} of the annual leave rules.\\n")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        mentee = open_mentee(load_settings(), built_in=("retrieval.plugin", "plugins.sources"), discover=False)
        documents = retrieval.assembly.open_documents(mentee, actor="test")
        seen.update(count=0, stop=stop)
        sys.addaudithook(watch)
        if disk:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
        try:
            documents.add([str(docs)], "travel")
        except ArtifactError:
            os._exit(9)
        os.write(writing, str(seen["count"]).encode())
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    count = os.read(reading, 20)
    os.close(reading)
    return os.waitstatus_to_exitcode(status), int(count or 0)

_, total = change(1)
ends = [change(2 + n, stop=1 + n * total // points)[0] for n in range(points)]
full, _ = change("never", disk=3000)
last, _ = change("last")
print(json.dumps({"total": total, "ends": ends, "full": full, "last": last}))
"""


@pytest.fixture
def library(make_home: MakeHome, tmp_path: Path) -> Any:
    mentee = make_home(departments=("travel",), built_in=("retrieval.plugin", "plugins.sources"))
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\n\nVersion 0 of the annual leave rules.\n")
    for number in range(5):
        (folder / f"other{number}.md").write_text(f"# Other {number}\n\nSomething else, number {number}.\n")
    open_documents(mentee, actor="test").add([str(folder)], "travel")
    return mentee, folder


class Reader(threading.Thread):
    """Asks the same thing until told to stop; what it was told, and every failure, is kept."""

    def __init__(self, retriever: Any) -> None:
        super().__init__()
        self.versions: set[Any] = set()
        self.problems: list[Any] = []
        self.done = threading.Event()
        self._retriever = retriever

    def run(self) -> None:
        while not self.done.wait(0.005):
            try:
                found = self._retriever.search("annual leave rules", "travel", Audience(), k=1)
                self.versions.add(found[0].text.split()[1])
            except Exception as error:  # noqa: BLE001 - any failure at all is what the test looks for
                self.problems.append(repr(error))


@pytest.mark.full
@pytest.mark.timeout(300)
def test_killed_builds_leave_a_whole_snapshot_and_reading_never_stops(library: Any) -> None:
    mentee, folder = library
    home = str(mentee.settings.home)
    reader = Reader(HybridRetriever(mentee.store, mentee.settings))
    reader.start()
    try:
        command = [sys.executable, "-c", DRIVER, home, str(folder), str(POINTS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    finally:
        reader.done.set()
        reader.join()
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["total"] > 10
    assert set(result["ends"]) <= {-9, 0}
    assert result["ends"].count(-9) >= POINTS * 0.8
    assert (result["full"], result["last"]) == (9, 0)
    assert reader.problems == []
    assert "never" not in reader.versions
    assert len(reader.versions) > 1

    fresh = HybridRetriever(mentee.store, mentee.settings)
    assert "Version last" in fresh.search("annual leave rules", "travel", Audience(), k=1)[0].text
    left = [path for path in Path(home, "indexes", "travel").iterdir() if path.is_dir()]
    assert len(left) <= 3
    for path in left:
        verify(path, "index")
