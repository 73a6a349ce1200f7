"""Artifacts on disk: models, adapters, indexes and datasets, each stored as immutable *snapshots*.

A snapshot is a directory with a ``manifest.json``: the SHA-256 and size of every other file, and metadata of its kind
(counts, versions, parents). It is written to a temporary directory, fsynced and renamed, so a reader sees all of it
or nothing. Loading verifies or refuses; it never repairs and never unpickles. Only files with a suffix in
:data:`SUFFIXES` are allowed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from bot.domain.errors import ArtifactError
from bot.domain.identifiers import now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

MANIFEST = "manifest.json"
ASIDE = ".aside-"
SUFFIXES = frozenset(
    {".json", ".jsonl", ".jinja", ".safetensors", ".faiss", ".npy", ".txt", ".md", ".html", ".svg", ".model", ".toml"}
)
"""Suffixes that a snapshot may hold. No pickle in any disguise (``.bin``, ``.pt``, ``.pkl``, …)."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of ``manifest.json``. ``sha256`` identifies the snapshot: a hash over the hashes of its files."""

    kind: str
    sha256: str
    files: Mapping[str, Mapping[str, Any]]
    meta: Mapping[str, Any] = field(default_factory=dict)
    created_at: str = ""


class Draft:
    """A snapshot being written. ``path`` is its temporary folder; ``meta`` may be filled until the block ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meta: dict[str, Any] = {}


@contextmanager
def writing(target: Path, kind: str, suffixes: Collection[str] | None = SUFFIXES) -> Iterator[Draft]:
    """Write a snapshot to ``target``, which appears, complete, only when the block ends without an error.

    :param suffixes: of the files it may hold; ``None`` allows every file.
    :raises ArtifactError: ``target`` exists, or a file of a forbidden kind was written.
    """
    if target.exists():
        raise ArtifactError(f"{kind} {target} already exists.", hint="Snapshots are never overwritten; use a new name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Draft(target.parent / f"{ASIDE}{target.name}-{uuid4().hex[:8]}")
    draft.path.mkdir()
    try:
        yield draft
        _seal(draft, kind, suffixes)
        draft.path.rename(target)
        _sync_directory(target.parent)
    finally:
        shutil.rmtree(draft.path, ignore_errors=True)


def verify(path: Path, kind: str, suffixes: Collection[str] | None = SUFFIXES) -> Manifest:
    """Check every file of a snapshot against its manifest and return the manifest.

    :param suffixes: of the files it may hold; ``None`` allows every file.
    :raises ArtifactError: anything is missing, altered, unlisted or of a forbidden kind; the text says what.
    """
    manifest = read_manifest(path, kind)
    listed = {*manifest.files, MANIFEST}
    found = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    _require(
        found <= listed, path, kind, f"holds files its manifest does not list: {', '.join(sorted(found - listed))}"
    )
    _require(listed <= found, path, kind, f"lacks files its manifest lists: {', '.join(sorted(listed - found))}")
    for name, entry in manifest.files.items():
        allowed = suffixes is None or Path(name).suffix in suffixes
        _require(allowed, path, kind, f"holds {name}, a kind of file that is never loaded")
        try:
            actual = hash_file(path / name)
        except OSError as error:
            hint = "Let the user that Mentee runs as read its files."
            raise ArtifactError(f"Can't read {name} of {kind} {path}: {error.strerror}.", hint=hint) from error
        problem = f"has an altered {name}: SHA-256 {actual[:12]}… found, {entry['sha256'][:12]}… expected"
        _require(actual == entry["sha256"], path, kind, problem)
    _require(_whole_hash(manifest.files) == manifest.sha256, path, kind, "has a manifest that contradicts itself")
    return manifest


def read_manifest(path: Path, kind: str) -> Manifest:
    """Read a manifest without checking the files.

    :raises ArtifactError: there is none, it cannot be read, or it is of another kind.
    """
    try:
        raw = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        manifest = _manifest(raw)
    except FileNotFoundError:
        raise ArtifactError(
            f"There is no {kind} in {path}: {MANIFEST} is missing.", hint="Give a folder that Mentee wrote."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"Can't read the manifest of {kind} {path}: {error}.") from error
    _require(manifest.kind == kind, path, kind, f"is a {manifest.kind}")
    return manifest


def sweep(folder: Path) -> int:
    """Remove what killed writers left behind in ``folder``; return how many drafts were removed."""
    strays = [path for path in folder.glob(f"{ASIDE}*") if path.is_dir()]
    for path in strays:
        shutil.rmtree(path, ignore_errors=True)
    return len(strays)


def _manifest(raw: Any) -> Manifest:
    """Return a manifest from its JSON; a part of the wrong kind raises ``TypeError``, a missing one ``KeyError``."""
    files, meta = raw["files"], raw["meta"]
    if not isinstance(files, dict) or not isinstance(meta, dict):
        raise TypeError("files and meta must be objects")
    if not all(isinstance(entry["sha256"], str) and isinstance(entry["bytes"], int) for entry in files.values()):
        raise TypeError("every file needs its sha256 and bytes")
    return Manifest(raw["kind"], raw["sha256"], files, meta, raw["created_at"])


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Replace a small text file so that readers see the old or the new one, also after a crash."""
    aside = path.with_name(f"{ASIDE}{path.name}-{uuid4().hex[:8]}")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    _sync_directory(path.parent)


def _seal(draft: Draft, kind: str, suffixes: Collection[str] | None) -> None:
    files: dict[str, dict[str, Any]] = {}
    for file in sorted(path for path in draft.path.rglob("*") if path.is_file()):
        name = str(file.relative_to(draft.path))
        allowed = suffixes is None or file.suffix in suffixes
        _require(allowed, draft.path, kind, f"would hold {name}, a kind of file that is never loaded")
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
        files[name] = {"sha256": hash_file(file), "bytes": file.stat().st_size}
    content = {
        "kind": kind,
        "sha256": _whole_hash(files),
        "created_at": now().isoformat(),
        "meta": draft.meta,
        "files": files,
    }
    write_atomically(draft.path / MANIFEST, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _whole_hash(files: Mapping[str, Mapping[str, Any]]) -> str:
    lines = "".join(f"{files[name]['sha256']}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require(condition: bool, path: Path, kind: str, problem: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise ArtifactError(
            f"The {kind} {path} {problem}.",
            hint="Mentee refused it and changed nothing. Restore it, or create a new one.",
        )
