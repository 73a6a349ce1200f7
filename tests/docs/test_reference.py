"""The reference says what the code says: each hook, setting and command is on its page, with its meaning."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from bot import hookspecs
from bot.cli import command_line
from bot.hooks import BUILT_IN
from bot.settings import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def pages():
    """The pages, made in a process of their own: click remembers help options of commands that tests have run alone."""
    script = str(ROOT / "scripts" / "reference.py")
    program = f"import json, runpy; print(json.dumps(runpy.run_path({script!r})['pages']()))"
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=25)
    return json.loads(made.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def commands():
    root, plugins = command_line(discover=False)
    plugins.close()
    return root


@pytest.mark.parametrize("name", ["settings.md", "hooks.md", "cli.md"])
def test_the_page_is_what_the_code_says(pages, name):
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == pages[name].rstrip() + "\n", "run .venv/bin/python scripts/reference.py"


HOOKS = [name for name, value in vars(hookspecs).items() if inspect.isfunction(value)]


def test_there_are_hooks_at_all():
    assert len(HOOKS) > 15


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_used_by_a_test(hook):
    assert f"### {hook}\n" in (REFERENCE / "hooks.md").read_text()
    assert inspect.getdoc(getattr(hookspecs, hook))
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    built_in = [ROOT / (module.replace(".", "/")) for module in BUILT_IN]
    sources = [*tests, *(ROOT / "plugins").rglob("*.py"), *(path.with_suffix(".py") for path in built_in)]
    assert any(hook in path.read_text(encoding="utf-8") for path in sources if path.is_file())


def _settings(model, prefix=""):
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


@pytest.mark.parametrize(
    ("name", "field"), list(_settings(Settings)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_setting_says_what_it_means(name, field):
    assert field.description, f"{name} has no description"


def _commands(command, path):
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")


def test_every_command_and_option_says_what_it_does(commands):
    silent = [path for path, command in _commands(commands, "mentee") if not command.help]
    silent += [
        f"{path} {option.opts[0]}"
        for path, command in _commands(commands, "mentee")
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert silent == []
