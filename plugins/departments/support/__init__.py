"""The demo company's customer support: no documents, and six weeks of made-up questions, votes and corrections."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.departments import DepartmentSpec
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "support"
SHIPPED = Path(__file__).with_name("past")
"""In a wheel; ``hatch_build.py`` puts it there."""
CHECKOUT = Path(__file__).resolve().parents[3] / "examples" / "support"


@hookimpl
def register_departments() -> Sequence[DepartmentSpec]:
    return (
        DepartmentSpec(
            name=NAME,
            title="Customer support (demo)",
            instructions="Help customers with their account, orders, refunds and newsletters.",
            demo=str(SHIPPED if SHIPPED.is_dir() else CHECKOUT),
        ),
    )
