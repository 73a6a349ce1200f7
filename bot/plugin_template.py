"""The plugin package that ``mentee plugins new`` writes: the smallest one that works, with a test that passes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

NAME = re.compile(r"[a-z][a-z0-9-]*")

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
description = "A Mentee plugin."
dependencies = ["mentee"]

[project.entry-points.mentee]
{name} = "{module}"

[tool.hatch.build.targets.wheel]
only-include = ["{module}.py"]
"""

MODULE = '''\
"""A Mentee plugin. Every hook it may implement is in bot/hookspecs.py."""

from __future__ import annotations

from pydantic import BaseModel

from bot.hookspecs import hookimpl
from bot.messages import DirectAnswer, Question


class Settings(BaseModel):
    """Settings, set per department with `mentee plugins configure {name} greeting=... --department NAME`."""

    greeting: str = "Hello"


@hookimpl
def register_settings() -> type[BaseModel]:
    """Declare the settings."""
    return Settings


@hookimpl
def answer_directly(question: Question, department: str, settings: Settings) -> DirectAnswer | None:
    """Answer a greeting without the model; leave every other question to it."""
    if question.text.strip().lower().rstrip("!.") not in ("hi", "hello"):
        return None
    return DirectAnswer(f"{{settings.greeting}} from {{department}}!")
'''

TEST = """\
from dataclasses import replace

import {module}
from bot.messages import Person, Question


def test_greets_and_leaves_questions_alone():
    hello = Question("Hello!", Person("user:ada"))
    settings = {module}.Settings(greeting="Good day")
    assert {module}.answer_directly(hello, "it", settings).text == "Good day from it!"
    assert {module}.answer_directly(replace(hello, text="How do I get a laptop?"), "it", settings) is None
"""


def write_plugin(name: str, folder: Path) -> Path:
    """Write a plugin package and return its folder.

    :raises SettingsError: the name cannot be a package's, or the folder exists.
    """
    if not NAME.fullmatch(name):
        raise SettingsError(f"{name!r} cannot name a plugin.", hint="Use lower-case letters, digits and hyphens.")
    path = folder / name
    if path.exists():
        raise SettingsError(f"{path} exists already.", hint="Choose another name or folder.")
    module = name.replace("-", "_")
    (path / "tests").mkdir(parents=True)
    for file, text in (
        ("pyproject.toml", PROJECT),
        (f"{module}.py", MODULE),
        (f"tests/test_{module}.py", TEST),
    ):
        (path / file).write_text(text.format(name=name, module=module), encoding="utf-8")
    return path
