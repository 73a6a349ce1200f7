"""The demo company's HR department: hiring, performance, training and working conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.departments import DepartmentSpec
from bot.hooks.specs import hookimpl
from plugins.departments.handbook import pages

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "hr"
GLOSSARY = {
    "IDP": "Individual Development Plan",
    "OLU": "Online University",
    "PD": "Position Description",
    "OPM": "Office of Personnel Management",
    "TSP": "Thrift Savings Plan",
    "AWS": "Alternate Work Schedule",
    "DETO": "Domestic Employee Teleworking Overseas",
    "WGI": "Within-Grade Increase",
    "SES": "Senior Executive Service",
    "QSI": "Quality Step Increase",
    "PIP": "Performance Improvement Plan",
}


@hookimpl
def register_departments() -> Sequence[DepartmentSpec]:
    return (
        DepartmentSpec(
            name=NAME,
            title="HR",
            instructions="Help with hiring, performance and training. Say who decides and which form it needs.",
            glossary=GLOSSARY,
            sources=pages(NAME),
            examples=(
                "How does a promotion work?",
                "Who approves a training request?",
                "Can I work from another country?",
            ),
        ),
    )
