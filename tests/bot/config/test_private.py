"""Nobody but the user that Mentee runs as can read what it keeps."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from bot.app import open_mentee

if TYPE_CHECKING:
    from pathlib import Path

    from bot.testing.homes import MakeHome


def modes(folder: Path) -> dict[str, str]:
    found = {str(path.relative_to(folder)): f"{path.stat().st_mode & 0o777:o}" for path in folder.rglob("*")}
    return found | {".": f"{folder.stat().st_mode & 0o777:o}"}


def mentee(home: Path, *arguments: str) -> None:
    environment = {**os.environ, "MENTEE_HOME": str(home), "MENTEE_MODEL__EMBEDDER": "hashing"}
    command = "import os; os.umask(0o022); from bot.cli.main import main; main()"
    subprocess.run(
        [sys.executable, "-c", command, *arguments], env=environment, check=True, capture_output=True, text=True
    )


def test_a_new_home_is_private_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "home"
    mentee(home, "init")
    mentee(home, "departments", "add", "support")
    (tmp_path / "page.md").write_text("# Hotels\n\nHotels are tax exempt.")
    mentee(home, "documents", "add", str(tmp_path / "page.md"), "--department", "support")
    found = modes(home)
    assert {"mentee.toml", "mentee.db", "indexes/support"} <= set(found)
    assert set(found.values()) == {"700", "600"}


def test_a_home_that_was_open_is_closed_at_the_start_and_the_log_says_so(make_home: MakeHome) -> None:
    made = make_home()
    home = made.settings.home
    (home / "adapters" / "it-1").mkdir(parents=True)
    (home / "adapters" / "it-1" / "card.json").write_text("{}")
    (home / "link").symlink_to("/etc/hostname")
    for path in (home, home / "adapters", home / "adapters" / "it-1"):
        path.chmod(0o755)
    (home / "adapters" / "it-1" / "card.json").chmod(0o644)
    with capture_logs() as logs, closing(open_mentee(made.settings, discover=False)):
        (mended,) = [line for line in logs if line["event"] == "files_made_private"]
    assert mended["folder"] == str(home)
    (home / "link").unlink()
    assert set(modes(home).values()) == {"700", "600"}
    with capture_logs() as logs, closing(open_mentee(made.settings, discover=False)):
        assert [line for line in logs if line["event"].startswith("files_")] == []
