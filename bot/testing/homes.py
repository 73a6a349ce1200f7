"""Homes for tests: the ``make_home`` fixture makes a home with a migrated database and returns the opened instance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import structlog

from bot.app import Mentee, open_mentee
from bot.hooks import BUILT_IN
from bot.messages import DepartmentSpec
from bot.settings import CONFIG_NAME, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bot.protocols import Engine

OFFLINE: dict[str, dict[str, Any]] = {
    "model": {"embedder": "hashing", "dtype": "float32"},
    "web": {"port": 0},
    "limits": {"questions_per_minute": 10_000},
}
"""What every test home sets unless the test says otherwise: no model, nothing compiled, no fixed port, no budget."""


class MakeHome(Protocol):
    """What the ``make_home`` fixture is."""

    def __call__(  # noqa: PLR0913 - one keyword for each thing a test may choose
        self,
        *,
        departments: Sequence[str | DepartmentSpec] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        secrets: Mapping[str, str] | None = None,
        engine: Engine | None = None,
        built_in: Sequence[str] = BUILT_IN,
        extra_plugins: Mapping[str, Any] | None = None,
        discover: bool = False,
    ) -> Mentee:
        """Make a home and open it; it is closed when the test ends.

        ``$MENTEE_HOME`` names the newest home, so commands and child processes find it too.

        :param departments: departments to add, by name or in full.
        :param settings: sections of ``mentee.toml``, merged over :data:`OFFLINE`.
        :param secrets: environment variables without their ``MENTEE_`` prefix, such as ``SLACK_BOT_TOKEN``.
        """


@pytest.fixture
def plain_tracebacks() -> Iterator[None]:
    """Log tracebacks without the values of local variables: drawing those stops the event loop for seconds."""
    before = structlog.get_config()
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before["processors"][:-1], plain])
    yield
    structlog.configure(**before)


@pytest.fixture
def make_home(
    tmp_path: Path,
    make_database: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
    plain_tracebacks: None,  # noqa: ARG001 - its effect is what is wanted
) -> Iterator[MakeHome]:
    """Return a function that makes homes; see :class:`MakeHome`."""
    opened: list[Mentee] = []

    def make(
        *,
        departments: Sequence[str | DepartmentSpec] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        secrets: Mapping[str, str] | None = None,
        **parts: Any,
    ) -> Mentee:
        home = tmp_path / f"home-{len(opened)}"
        home.mkdir()
        given = dict(settings or {})
        given["store"] = {"url": make_database(home), **given.get("store", {})}
        (home / CONFIG_NAME).write_text(_toml(given), encoding="utf-8")
        monkeypatch.setenv("MENTEE_HOME", str(home))
        for name, value in (secrets or {}).items():
            monkeypatch.setenv(f"MENTEE_{name}", value)
        mentee = open_mentee(load_settings(), **{"discover": False, **parts})
        opened.append(mentee)
        for department in departments:
            spec = DepartmentSpec(department, department.title()) if isinstance(department, str) else department
            mentee.departments.add(spec, actor="test")
        return mentee

    yield make
    for mentee in opened:
        mentee.close()


def _toml(settings: Mapping[str, Mapping[str, Any]]) -> str:
    sections = {name: {**OFFLINE.get(name, {}), **settings.get(name, {})} for name in {*OFFLINE, *settings}}
    return "\n".join(
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in sorted(section.items()))])
        for name, section in sorted(sections.items())
    )
