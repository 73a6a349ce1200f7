"""The plugin package that ``mentee plugins new`` writes: the smallest one that works, with a test that passes."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bot.domain.errors import SettingsError
from bot.hooks.registry import BUILT_IN, built_in_name

if TYPE_CHECKING:
    from pathlib import Path

MAX_NAME = 40

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
description = "A Mentee plugin."
readme = "README.md"
requires-python = ">=3.11"
license = "Apache-2.0"
dependencies = ["mentee{bound}"]

[project.optional-dependencies]
test = ["mentee[testing]"]

[project.entry-points.mentee]
{name} = "{module}"

[tool.hatch.build.targets.wheel]
packages = ["{module}"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
pythonpath = ["."]
"""

README = """\
# {name}

A plugin for Mentee. It answers greetings.

```console
$ pip install -e ".[test]"
$ pytest
$ mentee plugins show {name}
```
"""

MODULE = '''\
"""A Mentee plugin."""

from __future__ import annotations

from bot import DirectAnswer, Question, hookimpl
from pydantic import BaseModel


class Settings(BaseModel):
    """Settings, which `mentee plugins configure` changes for one or all departments."""

    greeting: str = "Hello"


@hookimpl
def register_settings() -> type[BaseModel]:
    """Declare the settings."""
    return Settings


@hookimpl
def answer_directly(
    question: Question, department: str, settings: Settings
) -> DirectAnswer | None:
    """Answer a greeting without the model; leave every other question to it."""
    if question.text.strip().lower().rstrip("!.") not in ("hi", "hello"):
        return None
    return DirectAnswer(f"{{settings.greeting}} from {{department}}!")
'''

TEST = """\
from bot import DirectAnswer, Person, Question

from {module} import Settings, answer_directly

ADA = Person("user:ada")


def test_greets_with_the_departments_words() -> None:
    settings = Settings(greeting="Good day")
    found = answer_directly(Question("Hello!", ADA), "it", settings)
    assert found == DirectAnswer("Good day from it!")


def test_leaves_questions_alone() -> None:
    asked = Question("How do I get a laptop?", ADA)
    assert answer_directly(asked, "it", Settings()) is None
"""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_RULE = "Begin with a letter, and use only lower-case letters, digits and single hyphens."


def write_plugin(name: str, folder: Path) -> Path:
    """Write a plugin package and return its folder.

    :raises SettingsError: the name cannot be a package's, or the folder exists.
    """
    module = name.replace("-", "_")
    _check_name(name, module)
    path = folder / name
    if path.exists():
        raise SettingsError(f"{path} already exists.", hint="Choose another name or folder.")
    for part in (module, "tests"):
        (path / part).mkdir(parents=True)
    for file, text in (
        ("pyproject.toml", PROJECT),
        ("README.md", README),
        (f"{module}/__init__.py", MODULE),
        (f"{module}/py.typed", ""),
        (f"tests/test_{module}.py", TEST),
    ):
        filled = text.format(name=name, module=module, bound=_bound(version("mentee")))
        (path / file).write_text(filled, encoding="utf-8")
    return path


def _check_name(name: str, module: str) -> None:
    if not _NAME.fullmatch(name):
        words = re.findall(r"[a-z0-9]+", name.lower())
        better = "-".join(words if words and words[0][0].isalpha() else ["plugin", *words])
        raise SettingsError(f"{name!r} isn't a valid plugin name. {_RULE}", hint=f"Try {better!r}.")
    if len(name) > MAX_NAME:
        raise SettingsError(f"{name!r} has more than {MAX_NAME} characters.", hint="Choose a shorter name.")
    if taken := _taken(module):
        raise SettingsError(f"{name!r} can't be a plugin's name: {taken}.", hint=f"Try '{name}-plugin'.")


def _taken(module: str) -> str:
    """Return why a module can't have this name; empty if it can."""
    if keyword.iskeyword(module):
        return "it is a keyword of Python"
    if module in sys.stdlib_module_names:
        return f"Python's standard library has a module {module!r}"
    if module in {built_in_name(each).replace("-", "_") for each in BUILT_IN}:
        return "Mentee comes with a plugin of this name"
    if find_spec(module) is not None:
        return f"a module {module!r} is already installed"
    return ""


def _bound(mentee: str) -> str:
    """Return which versions of Mentee the plugin works with: up to the next one that may change the public API."""
    major, minor = (int(part) for part in mentee.split(".")[:2])
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"
