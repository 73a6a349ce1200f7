"""The demo company's operations department: agreements and day-to-day operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.departments import DepartmentSpec
from bot.hooks.specs import hookimpl
from plugins.departments.handbook import pages

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "operations"
GLOSSARY = {
    "IAA": "Interagency Agreement",
    "MOU": "Memorandum of Understanding",
    "SOP": "Standard Operating Procedure",
    "EMPMO": "Enterprise Management Program Management Office",
    "IGCA": "Intergovernmental Cooperation Act",
}


@hookimpl
def register_departments() -> Sequence[DepartmentSpec]:
    return (
        DepartmentSpec(
            name=NAME,
            title="Operations",
            instructions="Help with agreements, space and day-to-day operations. Say who to contact.",
            glossary=GLOSSARY,
            sources=pages(NAME),
            examples=(
                "What does the Office of Operations do?",
                "Who writes interagency agreements?",
                "How do I reach the operations team?",
            ),
        ),
    )
