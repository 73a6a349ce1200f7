"""Imports of plugins that hang."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bot.hooks import registry, specs

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_import_that_hangs_is_left_behind_and_the_plugin_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hanging_plugin.py").write_text("import time\ntime.sleep(30)\n")
    (tmp_path / "well_plugin.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "IMPORT_SECONDS", 0.3)
    began = time.monotonic()
    loaded = registry.Registry(specs, ("hanging_plugin", "well_plugin"), discover=False).loaded
    assert time.monotonic() - began < 10
    assert "its import took longer than 0.3 s" in loaded["hanging_plugin"].error
    assert loaded["well_plugin"].called
