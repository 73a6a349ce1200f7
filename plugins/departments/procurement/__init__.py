"""The demo company's procurement department: buying goods and services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.departments import DepartmentSpec
from bot.hooks.specs import hookimpl
from plugins.departments.handbook import pages

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "procurement"
GLOSSARY = {
    "CO": "Contracting Officer",
    "COR": "Contracting Officer's Representative",
    "FAR": "Federal Acquisition Regulation",
    "QASP": "Quality Assurance Surveillance Plan",
    "RFQ": "Request for Quotation",
    "SOW": "Statement of Work",
    "SMT": "Senior Management Team",
    "OA": "Office of Acquisition",
    "IGCA": "Intergovernmental Cooperation Act",
}


@hookimpl
def register_departments() -> Sequence[DepartmentSpec]:
    return (
        DepartmentSpec(
            name=NAME,
            title="Procurement",
            instructions="Help with buying goods and services. Give the threshold and who approves.",
            glossary=GLOSSARY,
            sources=pages(NAME),
            examples=(
                "How do I start a purchase over $10,000?",
                "Who reviews a procurement action?",
                "How does a top secret clearance get paid for?",
            ),
        ),
    )
