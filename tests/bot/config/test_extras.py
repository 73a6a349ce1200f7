"""Whatever extra is left out, Mentee starts, and what needs it says how to install it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pytest
from structlog.testing import capture_logs

from bot.config.extras import EXTRAS, NotInstalledError, missing_part, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bot.testing.homes import MakeHome

HIDE = """
import sys
hidden = set(sys.argv.pop(1).split(","))

class Hiding:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""
MENTEE = "from bot.cli.main import main; main()"
PYTEST = "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
NEEDY: dict[str, tuple[str, tuple[str, ...], dict[str, str], str]] = {
    "engine": (
        "local",
        ("ask", "Where is my desk?", "--department", "travel"),
        {},
        "The local engine is not installed",
    ),
    "embedder": (
        "local",
        ("documents", "add", __file__, "--department", "travel"),
        {"MENTEE_MODEL__EMBEDDER": "all-minilm-l6-v2"},
        "The embedder is not installed",
    ),
    "fetch": ("local", ("model", "fetch"), {}, "The local engine is not installed"),
    "bench": ("local", ("bench",), {"MENTEE_MODELS_DIR": "nowhere"}, "The local engine is not installed"),
    "postgres": (
        "postgres",
        ("doctor",),
        {"MENTEE_STORE__URL": "postgresql://u@127.0.0.1/x"},
        "PostgreSQL is not inst",
    ),
}
"""By what is left out: its extra, a command that needs it, variables of its environment, and what it says."""


class Without(Protocol):
    def __call__(
        self, extras: Sequence[str], *command: str, program: str = MENTEE, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``mentee``, or another program, where the modules of these extras are not installed."""


@pytest.fixture
def without(make_home: MakeHome, tmp_path: Path) -> Without:
    store = {"url": f"sqlite:///{tmp_path / 'mentee.db'}"}  # the driver of PostgreSQL is one of the extras
    make_home(departments=("travel",), settings={"store": store}).close()

    def run(
        extras: Sequence[str], *command: str, program: str = MENTEE, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        modules = ",".join(module for extra in extras for module in EXTRAS[extra])
        return subprocess.run(
            [sys.executable, "-c", HIDE + program, modules, *command],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={**os.environ, **environment},
        )

    return run


def test_with_no_extra_at_all_mentee_starts_and_names_what_is_left_out(without: Without) -> None:
    done = without(tuple(EXTRAS), "plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    states = {plugin["name"]: plugin["state"] for plugin in json.loads(done.stdout)}
    assert states.pop("slack") == "not installed: pip install 'mentee[slack]'"
    assert set(states.values()) == {"on"}
    assert "plugin_not_loaded" not in done.stderr, "what was left out on purpose is no error"


def test_the_doctor_does_not_call_a_left_out_part_broken(without: Without) -> None:
    checks = {check["check"]: check for check in json.loads(without(("slack",), "doctor", "--json").stdout)}
    assert checks["plugins"]["ok"]
    assert "slack not installed: pip install 'mentee[slack]'" in checks["plugins"]["detail"]


@pytest.mark.parametrize(("extra", "command", "environment", "told"), NEEDY.values(), ids=NEEDY)
def test_what_needs_a_left_out_part_says_how_to_install_it(
    without: Without, extra: str, command: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    done = without((extra,), *command, **environment)
    assert done.returncode == 2, done.stdout
    assert told in done.stderr
    assert f"pip install 'mentee[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_test_kit_loads_without_any_extra(without: Without, tmp_path: Path) -> None:
    done = without(tuple(EXTRAS), "--fixtures", "-p", "no:cacheprovider", str(tmp_path), program=PYTEST)
    assert done.returncode == 0, done.stderr
    assert "make_home" in done.stdout
    assert "fake_slack" not in done.stdout


def test_rounds_are_planned_where_training_is_not_installed(without: Without) -> None:
    done = without(("tuning",), "adapters", "list", "--department", "travel", "--json")
    assert done.returncode == 0, done.stderr


def test_a_worker_without_training_says_that_rounds_do_not_run_here(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXTRAS, "tuning", ("no_such_module",))
    with pytest.raises(NotInstalledError) as missing:
        require("tuning", "Training")
    assert (missing.value.text, missing.value.hint) == (
        "Training is not installed.",
        "Run `pip install 'mentee[tuning]'`.",
    )
    mentee = make_home(built_in=("tuning.plugin",))
    with capture_logs() as logs:
        assert list(mentee.plugins.register_services(mentee, ["gpu"])) == []
    assert [entry["reason"] for entry in logs if entry["event"] == "rounds_do_not_run_here"] == [
        missing.value.text + " " + missing.value.hint
    ]


def test_a_missing_module_of_no_extra_is_a_defect() -> None:
    assert missing_part(ModuleNotFoundError("No module named 'x'", name="x")) is None
    assert missing_part(ModuleNotFoundError("No module named 'torch.nn'", name="torch.nn")) is not None
