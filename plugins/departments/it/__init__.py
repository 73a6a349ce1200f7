"""The demo company's IT department: accounts, devices, software and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.departments import DepartmentSpec
from bot.hooks.specs import hookimpl
from plugins.departments.handbook import pages

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "it"
GLOSSARY = {
    "PIV": "Personal Identity Verification card",
    "VDI": "Virtual Desktop Interface",
    "GFE": "Government Furnished Equipment",
    "MFA": "multi-factor authentication",
    "OLU": "Online University",
    "SSO": "single sign-on",
    "ATU": "Authority to Use",
    "FOIA": "Freedom of Information Act",
}


@hookimpl
def register_departments() -> Sequence[DepartmentSpec]:
    return (
        DepartmentSpec(
            name=NAME,
            title="IT",
            instructions="Help with accounts, devices and tools. Name the tool, and the Slack channel or form to use.",
            glossary=GLOSSARY,
            sources=pages(NAME),
            examples=(
                "How do I get access to Slack?",
                "How do I set up my new laptop?",
                "Where do I order a phone or other equipment?",
            ),
        ),
    )
