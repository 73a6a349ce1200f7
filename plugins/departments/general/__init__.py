"""The demo company's general department: company-wide pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.departments import DepartmentSpec
from bot.hooks.specs import hookimpl
from plugins.departments.handbook import pages

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "general"
GLOSSARY = {
    "TTS": "Technology Transformation Services",
    "GSA": "General Services Administration",
    "PIF": "Presidential Innovation Fellows",
    "FAS": "Federal Acquisition Service",
    "CoE": "Centers of Excellence",
    "AM": "Account Manager",
    "IAA": "Interagency Agreement",
    "LRAC": "Local Reasonable Accommodation Coordinator",
    "OGC": "Office of General Counsel",
    "USWDS": "United States Web Design System",
}


@hookimpl
def register_departments() -> Sequence[DepartmentSpec]:
    return (
        DepartmentSpec(
            name=NAME,
            title="General",
            instructions="Help with everything else in the handbook. Point to the responsible team.",
            glossary=GLOSSARY,
            sources=pages(NAME),
            examples=(
                "What are our values?",
                "How do I ask for a reasonable accommodation?",
                "What does an account manager do?",
            ),
        ),
    )
