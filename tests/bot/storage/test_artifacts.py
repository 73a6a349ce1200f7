from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.errors import ArtifactError
from bot.storage.artifacts import ASIDE, MANIFEST, hash_file, read_manifest, sweep, verify, write_atomically, writing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    target = tmp_path / "adapters" / "it-1"
    with writing(target, "adapter") as draft:
        (draft.path / "weights.safetensors").write_bytes(b"\x00" * 64)
        (draft.path / "more").mkdir()
        (draft.path / "more" / "config.json").write_text("{}")
        draft.meta["parent"] = "it-0"
    return target


def test_a_snapshot_says_what_it_holds(snapshot: Path) -> None:
    manifest = verify(snapshot, "adapter")
    assert set(manifest.files) == {"weights.safetensors", "more/config.json"}
    assert manifest.meta == {"parent": "it-0"}
    assert manifest.files["weights.safetensors"] == {
        "sha256": hash_file(snapshot / "weights.safetensors"),
        "bytes": 64,
    }


def test_equal_content_has_an_equal_hash_wherever_it_lies(snapshot: Path, tmp_path: Path) -> None:
    with writing(tmp_path / "elsewhere", "adapter") as draft:
        (draft.path / "more").mkdir()
        (draft.path / "more" / "config.json").write_text("{}")
        (draft.path / "weights.safetensors").write_bytes(b"\x00" * 64)
    assert verify(tmp_path / "elsewhere", "adapter").sha256 == verify(snapshot, "adapter").sha256


def _flip(path: Path) -> None:
    data = bytearray((path / "weights.safetensors").read_bytes())
    data[7] ^= 1
    (path / "weights.safetensors").write_bytes(data)


def _edit_manifest(path: Path, change: Callable[..., Any]) -> None:
    manifest = json.loads((path / MANIFEST).read_text())
    change(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest))


def _list_a_pickle(path: Path) -> None:
    (path / "weights.bin").write_bytes(b"\x80")
    entry = {"sha256": hash_file(path / "weights.bin"), "bytes": 1}
    _edit_manifest(path, lambda manifest: manifest["files"].__setitem__("weights.bin", entry))


DAMAGES = {
    "a flipped bit": (_flip, "altered weights.safetensors"),
    "a cut file": (
        lambda path: (path / "weights.safetensors").write_bytes(b"\x00" * 63),
        "altered weights.safetensors",
    ),
    "a missing file": (lambda path: (path / "more" / "config.json").unlink(), "lacks files.*more/config.json"),
    "a file put beside": (lambda path: (path / "extra.json").write_text("{}"), "does not list: extra.json"),
    "a pickle put in place": (_list_a_pickle, "weights.bin, a kind of file that is never loaded"),
    "no manifest": (lambda path: (path / MANIFEST).unlink(), "manifest.json is missing"),
    "a broken manifest": (lambda path: (path / MANIFEST).write_text("{"), "Can't read the manifest of adapter"),
    "a manifest of another kind": (lambda path: _edit_manifest(path, lambda m: m.update(kind="index")), "is a index"),
    "a manifest with another whole": (
        lambda path: _edit_manifest(path, lambda m: m.update(sha256="0" * 64)),
        "contradicts itself",
    ),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_snapshot_is_refused_and_left_as_it_is(snapshot: Path, damage: Callable[..., Any], said: str) -> None:
    damage(snapshot)
    before = {path: path.read_bytes() for path in snapshot.rglob("*") if path.is_file()}
    with pytest.raises(ArtifactError, match=said):
        verify(snapshot, "adapter")
    assert {path: path.read_bytes() for path in snapshot.rglob("*") if path.is_file()} == before


def test_a_file_of_another_user_is_an_error_and_no_traceback(snapshot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("bot.storage.artifacts.hash_file", refuse)
    with pytest.raises(ArtifactError, match=r"Can't read .* Permission denied"):
        verify(snapshot, "adapter")


def test_a_writer_that_raises_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writing(tmp_path / "new", "index") as draft:
        (draft.path / "index.faiss").write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_forbidden_kind_of_file_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"index\.pkl"), writing(tmp_path / "new", "index") as draft:
        (draft.path / "index.pkl").write_bytes(b"\x80")
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_is_never_overwritten(snapshot: Path) -> None:
    with pytest.raises(ArtifactError, match="already exists"), writing(snapshot, "adapter"):
        pass
    verify(snapshot, "adapter")


def test_the_manifest_is_read_without_reading_the_files(snapshot: Path) -> None:
    _flip(snapshot)
    assert read_manifest(snapshot, "adapter").meta == {"parent": "it-0"}


WRITER = """
import sys
from pathlib import Path
from bot.storage.artifacts import writing
with writing(Path(sys.argv[1]), "index") as draft:
    (draft.path / "index.faiss").write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "new")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
    assert not (tmp_path / "new").exists()
    assert [path.name[: len(ASIDE)] for path in tmp_path.iterdir()] == [ASIDE]
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_readers_of_a_pointer_see_the_old_or_the_new_text(tmp_path: Path) -> None:
    pointer = tmp_path / "current"
    texts = ["a" * 100_000, "b" * 100_000]
    write_atomically(pointer, texts[0])
    child = os.fork()
    if child == 0:  # writes until it is killed
        for turn in range(10_000):
            write_atomically(pointer, texts[turn % 2])
        os._exit(0)
    try:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert pointer.read_text() in texts
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
