"""A backup is whole or not there, whatever happens meanwhile, and makes an instance that goes on where it was."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, update

from bot.app import open_mentee
from bot.cli.main import run
from bot.config.settings import load_settings
from bot.domain.deliveries import InboxItem
from bot.domain.errors import ArtifactError, MenteeError
from bot.domain.identifiers import now
from bot.storage import artifacts, backup, copying
from bot.storage.artifacts import ASIDE, verify, writing
from bot.storage.backup import back_up, without_password
from bot.storage.copying import CopiedFile, copy_all, copy_file
from bot.storage.tables.access import AuditRow
from bot.storage.tables.delivery import InboxRow
from bot.storage.tables.documents import SnapshotRow
from bot.storage.tables.training import RoundRow
from bot.testing.stores import postgres_database
from tuning import services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bot.app import Mentee
    from bot.storage.backup import Backup
    from bot.storage.copying import CopiedFile as File
    from bot.testing.homes import MakeHome

DEPARTMENT = "travel"


@dataclass(slots=True)
class Place:
    """An instance, where its backup goes, and an empty place for another."""

    mentee: Mentee
    target: Path
    home: Path
    url: str

    def back_up(self) -> Backup:
        return back_up(self.mentee.settings, self.mentee.store, self.target, lambda *_: None)

    def restore(self, monkeypatch: pytest.MonkeyPatch) -> int:
        monkeypatch.setenv("MENTEE_HOME", str(self.home))
        monkeypatch.setenv("MENTEE_STORE__URL", self.url)
        return run(["restore", str(self.target)])


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, make_home: MakeHome, tmp_path: Path) -> Iterator[Place]:
    home = tmp_path / "restored"
    with ExitStack() as databases:
        store, url = {}, f"sqlite:///{home / 'mentee.db'}"
        if request.param == "postgresql":
            store["url"], url = (databases.enter_context(postgres_database()) for _ in range(2))
        mentee = make_home(departments=(DEPARTMENT,), settings={"store": store})
        (mentee.settings.home / "notes.txt").write_text("kept by a plugin")
        publish_index(mentee, 0)
        yield Place(mentee, tmp_path / "backups" / "monday", home, url)
        mentee.close()


def publish_index(mentee: Mentee, number: int) -> None:
    folder = mentee.settings.artifacts_dir / "indexes" / DEPARTMENT
    with writing(folder / f"i{number}", "index") as draft:
        (draft.path / "texts.json").write_text(json.dumps({"number": number}))
    with mentee.store.write() as session:
        session.execute(update(SnapshotRow).values(active=False))
        session.flush()
        session.add(SnapshotRow(id=f"i{number}", department=DEPARTMENT, embedder="hashing", active=True))
    shutil.rmtree(folder / f"i{number - 3}", ignore_errors=True)


def count(mentee: Mentee, table: Any) -> int:
    with mentee.store.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def accept(mentee: Mentee, number: int) -> None:
    """One transaction with two rows: a consistent copy has both or neither."""
    with mentee.store.write() as session:
        session.add(InboxRow(id=f"in_{number}", channel="web", kind="question", dedupe_key=str(number)))
        session.add(AuditRow(actor="ada", action="traffic", subject=str(number), detail={"text": "tab\there\\ ☂"}))


def test_an_instance_restored_from_a_backup_made_under_traffic_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds = services.rounds(place.mentee)
    round_id = rounds.start(DEPARTMENT, actor="ada").id
    rounds.take()
    rounds.update(round_id, results={"dataset": {"dataset": str(place.mentee.settings.artifacts_dir / "datasets/d1")}})
    folder = place.mentee.settings.artifacts_dir / "rounds" / round_id / "work"
    folder.mkdir(parents=True)
    (folder / "progress.jsonl").write_text("{}\n")
    stop = threading.Event()

    def traffic() -> None:
        number = 1
        while not stop.is_set():
            accept(place.mentee, number)
            publish_index(place.mentee, number)
            number += 1
            time.sleep(0.05)

    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        while count(place.mentee, InboxRow) < 3:
            time.sleep(0.01)
        made = place.back_up()
    finally:
        stop.set()
        thread.join()
    assert made.meta["database"] == place.mentee.store.engine.dialect.name
    before = count(place.mentee, AuditRow)
    assert place.restore(monkeypatch) == 0, capsys.readouterr()
    assert stat_mode(place.home) == 0o700
    assert stat_mode(place.home / "mentee.toml") == 0o600
    with closing(open_mentee(load_settings(), discover=False)) as restored:
        goes_on(restored, round_id, place.home, before)


def goes_on(restored: Mentee, round_id: str, home: Path, before: int) -> None:
    accepted, noted = count(restored, InboxRow), count(restored, AuditRow)
    with restored.store.read() as session:
        traffic = session.scalar(select(func.count()).where(AuditRow.action == "traffic")) or 0
        active = session.scalars(select(SnapshotRow.id).where(SnapshotRow.active)).one()
        details = set(session.scalars(select(AuditRow.detail).where(AuditRow.action == "traffic")).all()[0].values())
    assert details == {"tab\there\\ ☂"}
    assert 3 <= accepted == traffic
    assert noted <= before
    assert json.loads((home / "indexes" / DEPARTMENT / active / "texts.json").read_text()) == {
        "number": int(active[1:])
    }
    assert (home / "notes.txt").read_text() == "kept by a plugin"
    assert (home / "rounds" / round_id / "work" / "progress.jsonl").exists()
    with restored.store.write() as session:
        session.execute(update(RoundRow).values(leased_until=now().replace(year=2020)))
    row = services.rounds(restored).take()
    assert row is not None
    assert (row.id, row.interruptions) == (round_id, 1)
    stages = services.stages(restored, round_id)
    assert stages._dataset_path(row.results["dataset"]) == home / "datasets" / "d1"
    assert restored.inbox.accept(InboxItem("web", "question", {}, "after the restore"))
    with restored.store.write() as session:
        session.add(AuditRow(actor="ada", action="after", subject="", detail={}))  # its number is a new one


def stat_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_backup_says_what_it_holds_and_no_secret(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backup", str(place.target), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    manifest = verify(place.target, "backup", suffixes=None)
    assert (told["sha256"], told["files"]) == (manifest.sha256, len(manifest.files))
    assert {"mentee.toml", "home/notes.txt", "artifacts/indexes/travel/i0/texts.json"} <= set(manifest.files)
    assert told["schema"]["alembic_version"]
    assert stat_mode(place.target) == 0o700
    assert run(["backup", str(place.target)]) == 2
    assert "already exists" in capsys.readouterr().err


def test_a_password_in_the_databases_address_stays_out() -> None:
    config = '[store]\nurl = "postgresql://mentee:hunter2@db/mentee"\n[web]\nport = 1\n'
    assert without_password(config) == '[store]\nurl = "postgresql://mentee@db/mentee"\n[web]\nport = 1\n'
    assert without_password("[web]\nport = 1\n") == "[web]\nport = 1\n"


def test_a_backup_into_the_home_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    link = place.mentee.settings.home.with_name("link")
    link.symlink_to(place.mentee.settings.home)
    for folder in (place.mentee.settings.home, link):
        assert run(["backup", str(folder / "backup")]) == 2
        assert "is inside the home or the artifacts" in capsys.readouterr().err


@pytest.mark.parametrize("harm", ["bit", "missing", "more", "manifest"])
def test_a_backup_that_was_changed_is_refused_before_anything_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    place.back_up()
    notes = place.target / "home" / "notes.txt"
    if harm == "bit":
        notes.write_text("kept by a plugiN")
    elif harm == "missing":
        notes.unlink()
    elif harm == "more":
        (place.target / "home" / "stranger").write_text("")
    else:
        (place.target / "manifest.json").unlink()
    assert place.restore(monkeypatch) == 3
    assert "Error:" in capsys.readouterr().err
    assert not place.home.exists()


def test_a_home_that_is_not_empty_is_left_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.back_up()
    place.home.mkdir()
    (place.home / "mine").write_text("")
    assert place.restore(monkeypatch) == 2
    assert "is not empty" in capsys.readouterr().err
    assert os.listdir(place.home) == ["mine"]  # noqa: PTH208


def test_a_home_in_the_backup_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.back_up()
    place.home = place.target / "home" / "restored"
    assert place.restore(monkeypatch) == 2
    assert "is inside the backup" in capsys.readouterr().err
    assert not place.home.exists()


def test_a_database_that_is_not_empty_is_left_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.back_up()
    place.url = place.mentee.settings.database_url
    assert place.restore(monkeypatch) == 2
    assert "is not empty" in capsys.readouterr().err
    assert not place.home.exists()


def test_another_schema_is_refused_with_the_version_that_wrote_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.back_up()
    manifest = json.loads((place.target / "manifest.json").read_text())
    for schema, problem in (("alembic_version", "schema 9999"), ("alembic_version_gone", "the plugin 'gone'")):
        manifest["meta"]["schema"] = {schema: "9999"}
        (place.target / "manifest.json").write_text(json.dumps(manifest))
        assert place.restore(monkeypatch) == 2
        assert problem in capsys.readouterr().err
        assert not place.home.exists()


@pytest.mark.parametrize("part", ["meta", "schema", "database", "version", "files", "bytes"])
def test_an_edited_manifest_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    place.back_up()
    manifest = json.loads((place.target / "manifest.json").read_text())
    for holder in (manifest, manifest["meta"], *manifest["files"].values()):
        if part in holder:
            holder[part] = ["edited"]
    (place.target / "manifest.json").write_text(json.dumps(manifest))
    assert place.restore(monkeypatch) == 3
    assert "anifest of" in capsys.readouterr().err
    assert not place.home.exists()


@pytest.mark.parametrize("nth", [1, 2])
def test_a_full_disk_leaves_no_backup_and_no_home(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nth: int
) -> None:
    def full_after(times: int) -> Callable[[Path, Path], None]:
        left = [times]

        def copy(source: Path, target: Path) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            copy_file(source, target)

        return copy

    with monkeypatch.context() as patched:
        patched.setattr(copying, "copy_file", full_after(nth))
        with pytest.raises(MenteeError, match="No space left"):
            place.back_up()
    assert list(place.target.parent.iterdir()) == []
    place.back_up()
    with monkeypatch.context() as patched:
        patched.setattr(copying, "copy_file", full_after(nth))
        assert place.restore(monkeypatch) == 1
    assert "No space left" in capsys.readouterr().err
    assert not place.home.exists()
    assert place.restore(monkeypatch) == 0


def test_an_artifact_that_is_replaced_before_it_is_copied_is_copied_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced: list[int] = []

    def replace_first(files: Any, target: Path, advance: Callable[[int], None]) -> None:
        if not replaced:
            replaced.append(1)
            for number in range(1, 5):
                publish_index(place.mentee, number)
        copy_all(files, target, advance)

    monkeypatch.setattr(backup, "copy_all", replace_first)
    place.back_up()
    assert (place.target / "artifacts" / "indexes" / DEPARTMENT / "i4").is_dir()


def test_a_damaged_artifact_in_use_makes_no_backup(place: Place) -> None:
    (place.mentee.settings.artifacts_dir / "indexes" / DEPARTMENT / "i0" / "texts.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"altered texts\.json"):
        place.back_up()
    assert list(place.target.parent.iterdir()) == []


def test_a_file_that_is_replaced_while_it_is_copied_is_copied_as_it_was_at_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("old")
    times = [2]

    def replaced(path: Path) -> str:
        if times[0]:
            times[0] -= 1
            (tmp_path / "new").write_text("new" * times[0])
            (tmp_path / "new").rename(source)
            return "another"
        return artifacts.hash_file(path)

    monkeypatch.setattr(copying, "hash_file", replaced)
    copy_file(source, target)
    assert target.read_text() == source.read_text() == ""
    times[0] = 99
    with pytest.raises(ArtifactError, match="keeps changing"):
        copy_file(source, target)


def test_a_folder_that_is_deleted_meanwhile_is_not_half_in_the_copy(tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    files: list[File] = []
    for name in ("a", "b"):
        (folder / name).write_text(name)
        files.append(CopiedFile(folder / name, f"snapshot/{name}"))
    copy_all(files, tmp_path / "copy", lambda _: shutil.rmtree(folder, ignore_errors=True))
    assert list((tmp_path / "copy").iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from bot.config.settings import load_settings
from bot.storage import copying
from bot.storage.backup import back_up
from bot.storage.session import Store

left = [int(sys.argv[2])]
def killed(*_):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
settings = load_settings()
back_up(settings, Store(settings.database_url), Path(sys.argv[1]), killed)
"""


@pytest.mark.parametrize("point", [1, 2, 3, 4])
def test_a_backup_that_is_killed_looks_like_none(place: Place, point: int) -> None:
    found = subprocess.run([sys.executable, "-c", KILLED, str(place.target), str(point)], check=False)
    if found.returncode == 0:
        assert point == 4, "there were fewer steps"
        return
    assert found.returncode == -signal.SIGKILL
    (stray,) = place.target.parent.iterdir()
    assert stray.name.startswith(ASIDE)
    with pytest.raises(ArtifactError):
        verify(stray, "backup", suffixes=None)
    os.utime(stray, (0, 0))
    place.back_up()
    assert list(place.target.parent.iterdir()) == [place.target]
