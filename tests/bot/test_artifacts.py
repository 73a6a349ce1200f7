from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from bot.artifacts import ASIDE, MANIFEST, hash_file, read_manifest, sweep, verify, write_atomically, writing
from bot.errors import ArtifactError


@pytest.fixture
def generation(tmp_path):
    target = tmp_path / "adapters" / "it-1"
    with writing(target, "adapter") as draft:
        (draft.path / "weights.safetensors").write_bytes(b"\x00" * 64)
        (draft.path / "more").mkdir()
        (draft.path / "more" / "config.json").write_text("{}")
        draft.meta["parent"] = "it-0"
    return target


def test_a_generation_says_what_it_holds(generation):
    manifest = verify(generation, "adapter")
    assert set(manifest.files) == {"weights.safetensors", "more/config.json"}
    assert manifest.meta == {"parent": "it-0"}
    assert manifest.files["weights.safetensors"] == {
        "sha256": hash_file(generation / "weights.safetensors"),
        "bytes": 64,
    }


def test_equal_content_has_an_equal_hash_wherever_it_lies(generation, tmp_path):
    with writing(tmp_path / "elsewhere", "adapter") as draft:
        (draft.path / "more").mkdir()
        (draft.path / "more" / "config.json").write_text("{}")
        (draft.path / "weights.safetensors").write_bytes(b"\x00" * 64)
    assert verify(tmp_path / "elsewhere", "adapter").sha256 == verify(generation, "adapter").sha256


def _flip(path):
    data = bytearray((path / "weights.safetensors").read_bytes())
    data[7] ^= 1
    (path / "weights.safetensors").write_bytes(data)


def _edit_manifest(path, change):
    manifest = json.loads((path / MANIFEST).read_text())
    change(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest))


def _list_a_pickle(path):
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
    "no manifest": (lambda path: (path / MANIFEST).unlink(), "has no manifest.json"),
    "a broken manifest": (lambda path: (path / MANIFEST).write_text("{"), "manifest of adapter .* cannot be read"),
    "a manifest of another kind": (lambda path: _edit_manifest(path, lambda m: m.update(kind="index")), "is a index"),
    "a manifest with another whole": (
        lambda path: _edit_manifest(path, lambda m: m.update(sha256="0" * 64)),
        "contradicts itself",
    ),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_generation_is_refused_and_left_as_it_is(generation, damage, said):
    damage(generation)
    before = {path: path.read_bytes() for path in generation.rglob("*") if path.is_file()}
    with pytest.raises(ArtifactError, match=said):
        verify(generation, "adapter")
    assert {path: path.read_bytes() for path in generation.rglob("*") if path.is_file()} == before


def test_a_writer_that_raises_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), writing(tmp_path / "new", "index") as draft:
        (draft.path / "index.faiss").write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_forbidden_kind_of_file_is_never_written(tmp_path):
    with pytest.raises(ArtifactError, match=r"index\.pkl"), writing(tmp_path / "new", "index") as draft:
        (draft.path / "index.pkl").write_bytes(b"\x80")
    assert list(tmp_path.iterdir()) == []


def test_a_generation_is_never_overwritten(generation):
    with pytest.raises(ArtifactError, match="exists already"), writing(generation, "adapter"):
        pass
    verify(generation, "adapter")


def test_the_manifest_is_read_without_reading_the_files(generation):
    _flip(generation)
    assert read_manifest(generation, "adapter").meta == {"parent": "it-0"}


WRITER = """
import sys
from pathlib import Path
from bot.artifacts import writing
with writing(Path(sys.argv[1]), "index") as draft:
    (draft.path / "index.faiss").write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_writer_left_is_swept(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "new")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"writing\n"
        writer.send_signal(signal.SIGKILL)
    assert not (tmp_path / "new").exists()
    assert [path.name[: len(ASIDE)] for path in tmp_path.iterdir()] == [ASIDE]
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_readers_of_a_pointer_see_the_old_or_the_new_text(tmp_path):
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
