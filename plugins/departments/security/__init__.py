"""The demo company's security department: launching software safely."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.departments import DepartmentSpec
from bot.hooks.specs import hookimpl
from plugins.departments.handbook import pages

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "security"
GLOSSARY = {
    "ATO": "Authorization to Operate",
    "LATO": "Lightweight Authorization to Operate",
    "PIA": "Privacy Impact Assessment",
    "PTA": "Privacy Threshold Analysis",
    "SSP": "System Security Plan",
    "ISSO": "Information System Security Officer",
    "CISO": "Chief Information Security Officer",
    "SORN": "System of Records Notice",
    "PII": "Personally Identifiable Information",
    "FedRAMP": "Federal Risk and Authorization Management Program",
}


@hookimpl
def register_departments() -> Sequence[DepartmentSpec]:
    return (
        DepartmentSpec(
            name=NAME,
            title="Security",
            instructions="Help with launching software safely. Name the review and who signs.",
            glossary=GLOSSARY,
            sources=pages(NAME),
            examples=(
                "What does an ATO involve?",
                "When do I need a privacy impact assessment?",
                "How are static scans run?",
            ),
        ),
    )
