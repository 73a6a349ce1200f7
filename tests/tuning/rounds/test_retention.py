"""Working files of rounds go some days after their end; reports and what a running round needs stay."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from filelock import FileLock

from bot.config.core import RetentionSettings
from bot.domain.identifiers import now
from bot.inference.adapter_files import PUBLISHING_LOCK
from bot.storage.tables.training import AdapterRow, RoundRow
from tuning.rounds.retention import RoundRetention

if TYPE_CHECKING:
    from pathlib import Path

    from bot.storage.session import Store


def test_old_working_files_go(store: Store, tmp_path: Path) -> None:
    old = now() - timedelta(days=100)
    with store.write() as session:
        session.add(RoundRow(id="r_old", department="it", state="finished", finished_at=old))
        session.add(RoundRow(id="r_new", department="it", state="finished", finished_at=now()))
        session.add(RoundRow(id="r_running", department="it", state="running", created_at=old))
    for name in ("r_old", "r_new", "r_running"):
        (tmp_path / "rounds" / name / "work").mkdir(parents=True)
        (tmp_path / "rounds" / name / "report.html").write_text("report")
    answers = tmp_path / "answers"
    answers.mkdir()
    for name in ("old", "new"):
        (answers / f"{name}.jsonl").write_text("{}")
    os.utime(answers / "old.jsonl", (old.timestamp(), old.timestamp()))
    assert RoundRetention(store, tmp_path, RetentionSettings()).apply() == 2
    assert sorted(path.parent.name for path in tmp_path.glob("rounds/*/work")) == ["r_new", "r_running"]
    assert len(list(tmp_path.glob("rounds/*/report.html"))) == 3
    assert [path.name for path in answers.iterdir()] == ["new.jsonl"]
    keep = RetentionSettings(round_work_days=0, answer_cache_days=0)
    assert RoundRetention(store, tmp_path, keep).apply() == 0


def test_what_killed_publishers_left_goes(store: Store, tmp_path: Path) -> None:
    with store.write() as session:
        session.add(AdapterRow(version="it-1", department="it", base_model="tiny", sha256="0", state="champion"))
    adapters, retention = tmp_path / "adapters", RoundRetention(store, tmp_path, RetentionSettings())
    old = (now() - timedelta(days=2)).timestamp()
    for name in ("it-1", "it-2", ".aside-it-3-0a1b2c3d", "it-4", "mine"):
        (adapters / name).mkdir(parents=True)
        (adapters / name / "adapter_config.json").write_text("{}")
        if name != "it-4":  # just copied
            os.utime(adapters / name, (old, old))
    with FileLock(adapters / PUBLISHING_LOCK):
        assert retention.apply() == 0, "somebody publishes"
    assert retention.apply() == 2
    assert {path.name for path in adapters.iterdir() if path.is_dir()} == {"it-1", "it-4", "mine"}
