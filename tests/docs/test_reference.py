"""The reference says what the code says: each hook, setting and command is on its page, with its meaning."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from pydantic import BaseModel

from bot.cli.main import command_line
from bot.config.settings import Settings
from bot.hooks import specs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def pages() -> Any:
    """The pages, made in a process of their own: click remembers help options of commands that tests have run alone."""
    script = str(ROOT / "scripts" / "reference.py")
    program = f"import json, runpy; print(json.dumps(runpy.run_path({script!r})['pages']()))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), *sys.path])}
    made = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=100, env=environment
    )
    return json.loads(made.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def commands() -> click.Group:
    root, plugins = command_line(discover=False)
    plugins.close()
    return root


@pytest.mark.parametrize("name", ["settings.md", "hooks.md", "api.md", "cli.md"])
def test_the_page_is_what_the_code_says(pages: dict[str, str], name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == pages[name].rstrip() + "\n", "run .venv/bin/python scripts/reference.py"


@pytest.mark.parametrize("hook", [name for name, value in vars(specs).items() if inspect.isfunction(value)])
def test_every_hook_is_documented(hook: str) -> None:
    """tests/bot/hooks/test_every_hook.py fires each one and holds it to what is documented."""
    assert f"### {hook}\n" in (REFERENCE / "hooks.md").read_text()
    assert inspect.getdoc(getattr(specs, hook))


def _settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


@pytest.mark.parametrize(
    ("name", "field"), list(_settings(Settings)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_setting_says_what_it_means(name: str, field: FieldInfo) -> None:
    assert field.description, f"{name} has no description"


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")


def test_every_command_and_option_says_what_it_does(commands: click.Group) -> None:
    silent = [path for path, command in _commands(commands, "mentee") if not command.help]
    silent += [
        f"{path} {option.opts[0]}"
        for path, command in _commands(commands, "mentee")
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []
