"""The demo company's travel department: trips, reimbursement and leave. It also computes when a voucher is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from bot.domain.departments import DepartmentSpec
from bot.hooks.specs import hookimpl
from plugins.departments.handbook import pages
from plugins.departments.travel.vouchers import due_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.answers import DirectAnswer
    from bot.domain.questions import Question

NAME = "travel"
GLOSSARY = {
    "M&IE": "Meals and Incidental Expenses",
    "TDY": "Temporary Duty Travel",
    "LWOP": "Leave Without Pay",
    "FMLA": "Family and Medical Leave Act",
    "PPL": "paid parental leave",
    "VLTP": "Voluntary Leave Transfer Program",
    "AO": "Authorizing Official",
    "DVL": "Disabled Veteran Leave",
    "EAP": "Employee Assistance Program",
}


class Settings(BaseModel):
    """Settings of the travel department."""

    voucher_business_days: int = Field(
        5, ge=1, le=30, description="Business days after a trip until the voucher is due."
    )


@hookimpl
def register_settings() -> type[BaseModel]:
    return Settings


@hookimpl
def register_departments() -> Sequence[DepartmentSpec]:
    return (
        DepartmentSpec(
            name=NAME,
            title="Travel and leave",
            instructions="Help with trips, reimbursement and leave. Give the limit, the deadline or the form.",
            glossary=GLOSSARY,
            sources=pages(NAME),
            examples=(
                "How many hours of annual leave do I earn?",
                "My trip ended on 12 March. When is my voucher due?",
                "How do I book a hotel in Concur?",
            ),
        ),
    )


@hookimpl
def answer_directly(question: Question, department: str, settings: Settings) -> DirectAnswer | None:
    """Answer when a voucher is due, if the question names the day the trip ended."""
    if department != NAME:
        return None
    return due_answer(question.text, question.received_at.date(), settings.voucher_business_days)
