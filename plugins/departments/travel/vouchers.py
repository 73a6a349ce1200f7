"""The date a travel voucher is due. No page states it, so it is computed rather than left to a model."""

from __future__ import annotations

import re
from datetime import date, timedelta

from bot.domain.answers import Citation, DirectAnswer

PAGE = "travel-and-leave/travel-and-leave-policies/travel-guide-3-travel.md"
RULE = "Have a good trip, get reimbursement-- filling out a voucher-- within 5 business days of getting back."
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "(?P<month>" + "|".join(_MONTHS) + r")[a-z]*\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"
_DATES = (
    re.compile(r"\b(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})\b"),
    re.compile(rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}(?!\w)", re.IGNORECASE),
    re.compile(rf"\b{_MONTH}\s+{_DAY}{_YEAR}(?!\w)", re.IGNORECASE),
)
_ASKED = re.compile(r"\bdue\b|\bdeadline\b|\bby when\b|\bhow long\b|\bwhen\b|\blatest\b", re.IGNORECASE)
_FRIDAY = 4


def due_answer(text: str, today: date, business_days: int) -> DirectAnswer | None:
    """Answer "my trip ended on 12 March, when is my voucher due?"; ``None`` for any other question.

    :param today: sets the year if the question names none: the most recent such day that is not in the future.
    """
    if "voucher" not in text.lower() or not _ASKED.search(text):
        return None
    back = trip_end(text, today)
    if back is None:
        return None
    due = add_business_days(back, business_days)
    counted = f"{business_days} business day{'s' if business_days > 1 else ''}"
    said = (
        f"Your voucher is due by {due:%A}, {due.day} {due:%B %Y}: {counted} after {back.day} {back:%B %Y} [1]. "
        "Weekends are not counted; a federal holiday in between moves it by a day."
    )
    return DirectAnswer(said, (Citation(1, PAGE, "Don't forget about vouchers!", RULE),))


def trip_end(text: str, today: date) -> date | None:
    """Return the day that a text names, or ``None`` if it names none, several, or one that does not exist."""
    found = {day for pattern in _DATES for match in pattern.finditer(text) if (day := _day(match, today)) is not None}
    return found.pop() if len(found) == 1 else None


def add_business_days(start: date, count: int) -> date:
    """Return the day that is ``count`` weekdays after ``start``."""
    day = start
    while count > 0:
        day += timedelta(days=1)
        count -= day.weekday() <= _FRIDAY
    return day


def _day(match: re.Match[str], today: date) -> date | None:
    parts = match.groupdict()
    month = int(parts["number"]) if parts.get("number") else _MONTHS.index(parts["month"][:3].lower()) + 1
    try:
        if parts["year"]:
            return date(int(parts["year"]), month, int(parts["day"]))
        this_year = date(today.year, month, int(parts["day"]))
        return this_year if this_year <= today else this_year.replace(year=today.year - 1)
    except ValueError:
        return None
