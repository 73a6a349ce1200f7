"""Write ``docs/reference/``: the settings, hooks, commands and public API, from the code that defines them.

Run as: ``.venv/bin/python scripts/reference.py``. A test compares the pages with the code, so they cannot go stale.
"""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import click
import hook_examples
from pydantic import BaseModel, SecretStr

from bot.cli.main import command_line
from bot.config.sections import secret_fields, secret_variable
from bot.config.settings import Settings
from bot.hooks import specs
from bot.hooks.calling.limits import TimeLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from bot.hooks.host import PluginHost

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
WRITTEN_BY = "<!-- written by scripts/reference.py -->\n"

TITLES = {
    "base": "Tables",
    "instance": "The instance",
    "migrate": "Tables",
    "ports": "Protocols",
    "sections": "Settings",
    "specs": "Hooks",
}
"""Titles of the sections of the public API whose modules have other names."""


def settings_page(plugins: PluginHost) -> str:
    """Return the page of every setting, plugins' included."""
    parts = [
        WRITTEN_BY,
        "# Settings\n",
        "Set these in `mentee.toml` in the home, or as environment variables: `[web] port` is `MENTEE_WEB__PORT`.",
        "Environment variables win. Secrets come from the environment or from files, never from",
        "`mentee.toml`. An unknown key is an error.\n",
    ]
    fields, sections = Settings.model_fields, plugins.register_section()
    for name, field in fields.items():
        if _is_model(field.annotation):
            parts += [f"## [{name}]\n", f"{_doc(field.annotation)}\n", *_table(field.annotation.model_fields)]
    for name, model in sections.items():
        of_it = {n: f for n, f in model.model_fields.items() if not _is_secret(f)}
        parts += [f"## [{name}]\n", f"{_doc(model)}\n", *_table(of_it)]
    plain = {n: f for n, f in fields.items() if not _is_model(f.annotation) and not _is_secret(f)}
    parts += ["## At the top of the file\n", *_table(plain)]
    parts += [
        "## Secrets\n",
        "Set the first variable to the secret, or the second to the path of a file that contains it.\n",
    ]
    parts += ["| variable | or | meaning |", "| --- | --- | --- |"]
    secrets = {f"MENTEE_{name}": field for name, field in fields.items() if _is_secret(field)}
    for section, model in sections.items():
        secrets |= {secret_variable(section, name): model.model_fields[name] for name in secret_fields(model)}
    for variable, field in secrets.items():
        parts.append(f"| `{variable.upper()}` | `{variable.upper()}_FILE` | {field.description} |")
    parts += [
        "",
        "## Plugins\n",
        "Set these in `[plugins.NAME]`, or per department with `mentee plugins configure`. `enabled` turns a plugin on",
    ]
    parts += ["or off.\n"]
    for name in sorted(plugins.loaded):
        model = plugins.register_settings(name)
        if model is not None:
            parts += [f"### [plugins.{name}]\n", f"{_doc(model)}\n", *_table(model.model_fields)]
    return "\n".join(parts)


def hooks_page() -> str:
    """Return the page of every hook, in the order and under the headings of ``bot/hooks/specs.py``."""
    source = inspect.getsource(specs)
    lines = source.splitlines()
    headings = {n: m[1] for n, line in enumerate(lines, 1) if (m := re.match(r"# --- (.*?) -+$", line))}
    parts = [WRITTEN_BY, "# Hooks\n", _fenced(_doc(specs)), ""]
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
        parts += [_markdown(ast.get_docstring(node) or ""), "", *_hook_facts(node.name), ""]
    return "\n".join(parts)


def _hook_facts(hook: str) -> list[str]:
    """Return since when a hook is there, its limits, what a failure costs, and an example."""
    limits, failure = hook_examples.NOTES[hook]
    example = inspect.getsource(getattr(hook_examples, hook)).rstrip()
    return [
        f"- Since: {hook_examples.SINCE.get(hook, hook_examples.FIRST)}",
        f"- Limits: {' '.join(filter(None, [_time_limit(hook), limits]))}",
        f"- If it fails: {failure}",
        "",
        "```python",
        example,
        "```",
    ]


def _time_limit(hook: str) -> str:
    seconds = f"{TimeLimits().of('', hook):g} s"
    if hook.startswith(("register_", "start_")):
        return f"{seconds}."
    return f"{seconds} (`limits.{'action_seconds' if hook == 'on_action' else 'plugin_seconds'}`)."


def api_page() -> str:
    """Return the page of the public API, by the modules that define its names."""
    sections: dict[str, list[str]] = {}
    for module, name in public_names("bot"):
        title = TITLES.get(last := module.rpartition(".")[2], last.title())
        sections.setdefault(title, []).extend(_public(module, name))
    parts = [
        WRITTEN_BY,
        "# Public names\n",
        "Every name of `bot` and `bot.testing`. [The public API](public-api.md) says what is stable.\n",
    ]
    for title in sorted(sections):
        parts += [f"## {title}\n", *sections[title]]
    parts += ["## bot.testing\n", f"{_doc(import_module('bot.testing'))}\n"]
    for module, name in public_names("bot.testing"):
        parts += _public(module, name)
    return "\n".join(parts)


def public_names(package: str) -> list[tuple[str, str]]:
    """Return the names that a package exports, sorted, each after the module that defines it."""
    path = ROOT / package.replace(".", "/") / "__init__.py"
    imports = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    origins = {alias.name: node.module or "" for node in imports for alias in node.names}
    names: list[str] = import_module(package).__all__
    return [(origins.get(name, package), name) for name in sorted(names, key=str.lower)]


def _public(module: str, name: str) -> list[str]:
    """Return a name's section: its signature and its documentation."""
    body = ast.parse(inspect.getsource(import_module(module))).body
    place = next(n for n, node in enumerate(body) if name in _defined(node))
    node, after = body[place], body[place + 1] if place + 1 < len(body) else None
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        signature, text = _signature(node), ast.get_docstring(node) or ""
    else:
        value = after.value if isinstance(after, ast.Expr) else None
        signature, text = ast.unparse(node), str(value.value) if isinstance(value, ast.Constant) else ""
    return [f"### {name}\n", "```python", signature, "```\n", f"{_fields(_markdown(text))}\n"]


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _signature(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return a definition without documentation, bodies and private parts."""
    if not isinstance(node, ast.ClassDef):
        keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"{keyword} {node.name}({ast.unparse(node.args)}){returns}: ..."
    lines = []
    for part in node.body:
        if isinstance(part, ast.Assign | ast.AnnAssign):
            lines.append(ast.unparse(part))
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and not re.match("_[^_]", part.name):
            lines += [*(f"@{ast.unparse(each)}" for each in part.decorator_list), _signature(part)]
    bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
    return "\n".join([f"class {node.name}{bases}:", *(f"    {line}" for line in lines or ["..."])])


def _fenced(text: str) -> str:
    """Return documentation with its literal blocks (``::``) as fenced blocks of TOML, the only kind there is."""
    return re.sub(
        r"::\n\n((?:    .*\n)+)", lambda found: f":\n\n```toml\n{dedent(found[1])}```\n", text, flags=re.MULTILINE
    )


def _fields(text: str) -> str:
    """Return documentation with its fields (``:param x: …``) as a list."""
    text = re.sub(r"^:(?:param|ivar|raises) ([\w.]+): ", r"- `\1`: ", text, flags=re.MULTILINE)
    return re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", text)


def commands_page(root: click.Group) -> str:
    """Return the page of every command with its help text."""
    parts = [
        WRITTEN_BY,
        "# Commands\n",
        "Every command exits with 0 on success. If it fails, it prints what is wrong and what to do next, and exits",
    ]
    parts += ["with another code.\n"]
    for path, command in _commands(root, ()):
        context = _context(root, path)
        parts += [f"## {' '.join(('mentee', *path))}\n", "```text", command.get_help(context).rstrip(), "```\n"]
    return "\n".join(parts)


def pages() -> dict[str, str]:
    """Return every page by file name."""
    root, plugins = command_line(discover=False)
    try:
        return {
            "settings.md": settings_page(plugins),
            "hooks.md": hooks_page(),
            "api.md": api_page(),
            "cli.md": commands_page(root),
        }
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
    if get_origin(annotation) is dict and get_origin(choices[1]) is Annotated:
        return f"{_kind(get_args(choices[1])[0])}s by name"
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


def _doc(of: object) -> str:
    return _markdown(inspect.getdoc(of) or "")


def _markdown(text: str) -> str:
    return re.sub(r":(?:class|func|meth|mod|data):(?=`)", "", text).replace("``", "`")


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text.rstrip() + "\n", encoding="utf-8")
        print(FOLDER / name)


if __name__ == "__main__":
    main()
