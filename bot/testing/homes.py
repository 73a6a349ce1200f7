"""Homes for tests: the ``make_home`` fixture makes a home with a migrated database and opens the instance."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import structlog

from bot.app import Mentee
from bot.config.sections import read_section
from bot.config.settings import CONFIG_NAME, load_settings
from bot.domain.departments import DepartmentSpec
from bot.hooks.registry import BUILT_IN
from bot.storage import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from pathlib import Path

    from bot.domain.ports import ChosenAdapters, Engine, Retriever

__all__ = ["OFFLINE", "MakeHome", "Mentee", "homes", "make_home", "plain_tracebacks", "run_job"]

OFFLINE: dict[str, dict[str, Any]] = {
    "model": {"embedder": "hashing", "dtype": "float32"},
    "web": {"port": 0},
    "limits": {"questions_per_minute": 10_000, "plugin_seconds": 20.0},
}
"""Defaults of test homes: no model, nothing compiled, no fixed port, no rate limit, ample time for hooks."""


class MakeHome(Protocol):
    """The type of the ``make_home`` fixture."""

    def __call__(  # noqa: PLR0913 - one keyword for each thing a test may choose
        self,
        *,
        departments: Sequence[str | DepartmentSpec] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        secrets: Mapping[str, str] | None = None,
        engine: Engine | None = None,
        retriever: Retriever | None = None,
        active_adapters: ChosenAdapters | None = None,
        built_in: Sequence[str] = BUILT_IN,
        extra_plugins: Mapping[str, Any] | None = None,
        discover: bool = False,
    ) -> Mentee:
        """Make a home and open it. It is closed when the test ends.

        ``$MENTEE_HOME`` is the newest home, so that commands and child processes find it.

        :param departments: departments to add.
        :param settings: sections of ``mentee.toml``, merged over :data:`OFFLINE`. The settings of the plugin ``x`` are
            ``{"plugins": {"x": {…}}}``.
        :param secrets: environment variables without their ``MENTEE_`` prefix, such as ``SLACK_BOT_TOKEN``.
        """


@pytest.fixture
def plain_tracebacks() -> Iterator[None]:
    """Log tracebacks without local variables: rendering those blocks the event loop for seconds."""
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
    plain_tracebacks: None,  # noqa: ARG001 - needed for its effect
) -> Iterator[MakeHome]:
    """Return a function that makes homes; see :class:`MakeHome`."""
    with homes(tmp_path, make_database, monkeypatch) as make:
        yield make


@contextmanager
def homes(
    folder: Path, make_database: Callable[[Path], str], environment: pytest.MonkeyPatch
) -> Generator[MakeHome, None, None]:
    """Give a function that makes homes in a folder, for fixtures of a wider scope; they are closed at the end."""
    opened: list[Mentee] = []

    def make(
        *,
        departments: Sequence[str | DepartmentSpec] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        secrets: Mapping[str, str] | None = None,
        **parts: Any,
    ) -> Mentee:
        home = folder / f"home-{len(opened)}"
        home.mkdir(mode=0o700)
        given = dict(settings or {})
        given["store"] = {"url": make_database(home), **given.get("store", {})}
        (home / CONFIG_NAME).write_text(_toml(given), encoding="utf-8")
        for path in home.iterdir():
            path.chmod(0o600)
        environment.setenv("MENTEE_HOME", str(home))
        for name, value in (secrets or {}).items():
            environment.setenv(f"MENTEE_{name}", value)
        mentee = Mentee(load_settings(), **{"discover": False, **parts})
        opened.append(mentee)
        for name, model in mentee.plugins.register_section().items():
            read_section(mentee.settings, name, model)
        migrate.upgrade(mentee.store, mentee.plugins.register_tables())  # those of built-in plugins are there already
        for department in departments:
            spec = DepartmentSpec(department, department.title()) if isinstance(department, str) else department
            mentee.departments.add(spec, actor="test")
        return mentee

    try:
        yield make
    finally:
        for mentee in opened:
            mentee.close()


def run_job(mentee: Mentee, plugin: str, job: str) -> None:
    """Run a plugin's job now, as `mentee serve` would. Blocking; in an async test, use `asyncio.to_thread`.

    :raises PluginError: the job raised or took too long; the exception's note has the traceback.
    :raises NotFoundError: the plugin has no such job, or is off.
    :raises BusyError: the job is running, or the plugin is paused after failures.
    """
    with ThreadPoolExecutor(1) as thread:  # the test's own thread may be running a loop
        ended = thread.submit(lambda: asyncio.run(mentee.jobs().run_now(plugin, job, actor="test"))).result()
    if ended.error is not None:
        ended.error.add_note(ended.traceback)
        raise ended.error


def _toml(settings: Mapping[str, Mapping[str, Any]]) -> str:
    sections = {name: {**OFFLINE.get(name, {}), **settings.get(name, {})} for name in {*OFFLINE, *settings}}
    return "\n".join(
        "\n".join([f"[{name}]", *(f"{_value(key)} = {_value(value)}" for key, value in sorted(section.items()))])
        for name, section in sorted(sections.items())
    )


def _value(value: Any) -> str:
    """Return a value in TOML, whose strings are written like JSON's and whose tables are not."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_value(key)} = {_value(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value, ensure_ascii=False)
