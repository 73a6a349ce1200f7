"""What a plugin that did not load would have been called for: a guard must not leave answers unchecked.

This is told from the plugin's source, which is searched for functions with the names of guards' hooks. Nothing is
imported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_FILES = 500
"""Files of a package that are searched, the first ones by path."""

_FUNCTION = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)[ \t]*\(", re.MULTILINE)
_OPT_IN = re.compile(r"^OPT_IN\b[^=\n]*=\s*True\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Unloaded:
    """A plugin that did not load.

    :param guards: the hooks by which it would be a guard.
    :param opt_in: whether it would be off until somebody switches it on.
    """

    guards: tuple[str, ...] = ()
    opt_in: bool = False


def unloaded(plugin: Any, guard_hooks: Sequence[str]) -> Unloaded:
    """Return what is known of a plugin: the object, the name of its module, or ``None`` for one that has no hooks."""
    if isinstance(plugin, str):
        source = "\n".join(_sources(plugin))
        functions = set(_FUNCTION.findall(source))
        return Unloaded(tuple(each for each in guard_hooks if each in functions), bool(_OPT_IN.search(source)))
    guards = tuple(each for each in guard_hooks if callable(getattr(plugin, each, None)))
    return Unloaded(guards, getattr(plugin, "OPT_IN", False) is True)


def _sources(module: str) -> Iterator[str]:
    """Yield the source of a module, and that of the package it is in, but not of other packages around it."""
    first, *rest = module.split(".")
    try:
        spec = find_spec(first)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    folders = [*(spec.submodule_search_locations or ())]
    path = Path(folders[0]).joinpath(*rest) if folders else Path(spec.origin or "")
    path = path if path.exists() else path.with_suffix(".py")
    package = path if path.is_dir() else path.parent
    files = sorted(package.rglob("*.py")) if (package / "__init__.py").is_file() else [path]
    for each in files[:MAX_FILES]:
        try:
            yield each.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
