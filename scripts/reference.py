"""Write ``docs/reference/``: the settings, the hooks and the commands, each from the code that defines it.

Run as: ``.venv/bin/python scripts/reference.py``. A test compares the pages with the code, so they cannot go stale.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from pydantic import BaseModel, SecretStr

from bot import hookspecs
from bot.cli import command_line
from bot.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from bot.hooks import Plugins

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
WRITTEN_BY = "<!-- written by scripts/reference.py -->\n"


def settings_page(plugins: Plugins) -> str:
    """Return the page of every setting, plugins' included."""
    parts = [
        WRITTEN_BY,
        "# Settings\n",
        "Set them in `mentee.toml` in the home, or as environment variables, which win: `[web] port` is",
        "`MENTEE_WEB__PORT`. Secrets come only from the environment or from files, never from `mentee.toml`. An",
        "unknown key is an error that names it.\n",
    ]
    fields = Settings.model_fields
    for name, field in fields.items():
        if _is_model(field.annotation):
            parts += [f"## [{name}]\n", f"{inspect.getdoc(field.annotation)}\n", *_table(field.annotation.model_fields)]
    plain = {n: f for n, f in fields.items() if not _is_model(f.annotation) and not _is_secret(f)}
    parts += ["## At the top of the file\n", *_table(plain)]
    parts += ["## Secrets\n", "In each row the second variable names a file that holds the value.\n"]
    parts += ["| variable | or | meaning |", "| --- | --- | --- |"]
    for name, field in fields.items():
        if _is_secret(field):
            variable = f"MENTEE_{name.upper()}"
            parts.append(f"| `{variable}` | `{variable}_FILE` | {field.description} |")
    parts += [
        "",
        "## Plugins\n",
        "In `[plugins.NAME]`, or per department by `mentee plugins configure`. `enabled` turns any",
    ]
    parts += ["plugin off or on.\n"]
    for name in sorted(plugins.loaded):
        model = plugins.settings_model(name)
        if model is not None:
            parts += [f"### [plugins.{name}]\n", f"{inspect.getdoc(model)}\n", *_table(model.model_fields)]
    return "\n".join(parts)


def hooks_page() -> str:
    """Return the page of every hook, in the order and under the headings of ``bot/hookspecs.py``."""
    source = inspect.getsource(hookspecs)
    lines = source.splitlines()
    headings = {n: m[1] for n, line in enumerate(lines, 1) if (m := re.match(r"# --- (.*?) -+$", line))}
    parts = [WRITTEN_BY, "# Hooks\n", (inspect.getdoc(hookspecs) or "").replace("::\n\n", ":\n\n"), ""]
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for line in [line for line in headings if line < node.lineno]:
            heading = headings.pop(line)
            parts.append(f"## {heading[0].upper()}{heading[1:].rstrip('.')}\n")
        returns = ast.unparse(node.returns) if node.returns else "None"
        parts += [
            f"### {node.name}\n",
            "```python",
            f"def {node.name}({ast.unparse(node.args)}) -> {returns}: ...",
            "```\n",
        ]
        parts += [_markdown(ast.get_docstring(node) or ""), ""]
    return "\n".join(parts)


def commands_page(root: click.Group) -> str:
    """Return the page of every command with its help text."""
    parts = [
        WRITTEN_BY,
        "# Commands\n",
        "Every command exits with 0 on success. An expected failure prints what is wrong and",
    ]
    parts += ["what to do next, and exits with another code.\n"]
    for path, command in _commands(root, ()):
        context = _context(root, path)
        parts += [f"## {' '.join(('mentee', *path))}\n", "```text", command.get_help(context).rstrip(), "```\n"]
    return "\n".join(parts)


def pages() -> dict[str, str]:
    """Return every page by file name."""
    root, plugins = command_line(discover=False)
    try:
        return {"settings.md": settings_page(plugins), "hooks.md": hooks_page(), "cli.md": commands_page(root)}
    finally:
        plugins.close()


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if path:
        yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], (*path, name))


def _context(root: click.Group, path: tuple[str, ...]) -> click.Context:
    context = click.Context(root, info_name="mentee", **root.context_settings)
    for name in path:
        assert isinstance(context.command, click.Group)
        context = click.Context(context.command.commands[name], info_name=name, parent=context)
    return context


def _table(fields: dict[str, FieldInfo]) -> list[str]:
    rows = ["| setting | value | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in fields.items():
        rows.append(f"| `{name}` | {_kind(field.annotation)} | {_default(field)} | {field.description or ''} |")
    return [*rows, ""]


def _kind(annotation: Any) -> str:
    choices = get_args(annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    names = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`", Path: "path"}
    return names.get(annotation) or f"`{str(annotation).replace('typing.', '').replace('|', 'or')}`"


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        value = field.get_default(call_default_factory=True)
        return f"`{str(value).replace(str(Path.home()), '~')}`" if isinstance(value, Path) else "none"
    if field.is_required():
        return "required"
    return (
        "none"
        if field.default in ("", None)
        else f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
    )


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in get_args(field.annotation)


def _markdown(text: str) -> str:
    return text.replace("``", "`")


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text.rstrip() + "\n", encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
