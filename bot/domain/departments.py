"""The description of a department."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class DepartmentSpec:
    """The description of a department, from a plugin or an operator.

    :param demo: folder with a made-up past, which only ``mentee init --demo`` records; see ``examples/support``.
    """

    name: str
    title: str
    instructions: str = ""
    glossary: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    open: bool = True
    demo: str = ""
