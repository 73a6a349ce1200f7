"""The routes of the page of outcomes."""

# No `from __future__ import annotations`: FastAPI reads the annotations when the routes are declared.

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.templating import Jinja2Templates

from bot.access.departments import Departments
from bot.domain.errors import NotFoundError
from bot.domain.identifiers import now
from bot.domain.outcomes.deciding import MEANINGS, Outcome
from bot.domain.outcomes.figures import FIGURES, Figures
from bot.domain.people import Person
from bot.feedback.outcomes.ledger import Choices, OutcomeLedger, Report
from plugins.console.analytics.charts import charts, headline, percent
from plugins.console.analytics.filters import Filter, Given, read
from plugins.console.analytics.tables import COLUMNS, figures_csv, questions_csv

PATH = "/console/analytics"
ON_A_PAGE = 50
IN_A_FILE = 10_000
"""Rows of a CSV file of questions, at most."""

INVALID = 422
NAMES = {
    "asked": "All questions",
    **{outcome.value: outcome.value.capitalize() for outcome in Outcome},
    "deflected-confirmed": "Confirmed without a person",
    "deflected-assumed": "Assumed without a person",
    "first-contacts": "First contacts",
    "first-contact-confirmed": "Confirmed at the first contact",
    "first-contact-assumed": "Assumed at the first contact",
}
"""The figures in the words of the page."""

FIELDS = {"department": "department", "channel": "channel", "adapter": "adapter version"}
"""What the figures are grouped by, as it is said."""

Figure = Annotated[str, Query(max_length=40)]


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows: what each is of, the figures, and the filter that selects their questions.

    :param first: heading of the first column.
    """

    id: str
    title: str
    first: str
    rows: Sequence[tuple[str, Figures, Given]]


@dataclass(frozen=True, slots=True)
class Analytics:
    """Collects what the page shows. Blocking."""

    ledger: OutcomeLedger
    departments: Departments
    has_desk: Callable[[], bool]

    def shown(self, person: Person, wanted: Filter) -> dict[str, Any]:
        """Return the values of the page with the figures."""
        values = {**self._frame(person, wanted), "columns": COLUMNS, "percent": percent}
        if wanted.problems:
            return values
        report = self.ledger.report(person, wanted.selection, wanted.step)

        drawn = {"charts": charts(report.steps, wanted.step), "headline": headline(report.steps, wanted.step)}
        return {**values, **drawn, "report": report, "tables": _tables(report, wanted, values["titles"])}

    def week(self, person: Person) -> dict[str, Any]:
        """Return the values of the console's overview: this week's figures, and charts of the last weeks."""
        wanted = read(Given(), now().astimezone(UTC).date())
        report = self.ledger.report(person, wanted.selection, wanted.step)
        if not report.total.counts["asked"]:
            return {}
        drawn = {"charts": charts(report.steps, wanted.step), "headline": headline(report.steps, wanted.step)}
        table = _tables(report, wanted, {})[0]
        return {**drawn, "week": [*report.steps.values()][-1], "names": NAMES, "columns": COLUMNS, "table": table}

    def listed(self, person: Person, wanted: Filter, figure: str, *, settled: bool, start: int) -> dict[str, Any]:
        """Return the values of the page with the questions behind a figure.

        :raises NotFoundError: there is no such figure.
        """
        selection = replace(wanted.selection, settled=settled)
        found, number = self.ledger.questions(person, selection, _known(figure), start=start, limit=ON_A_PAGE)
        here = {"figure": figure, "settled": settled, "start": start, "size": ON_A_PAGE}
        return {**self._frame(person, wanted), **here, "questions": found, "number": number}

    def _frame(self, person: Person, wanted: Filter) -> dict[str, Any]:
        titles = {each.name: each.title for each in self.departments.all()}
        return {
            "person": person,
            "desk": self.has_desk(),
            "filter": wanted,
            "options": _options(self.ledger.choices(person), titles),
            "titles": titles,
            "meanings": {each.value: text for each, text in MEANINGS.items()},
            "names": NAMES,
            "duration": duration,
        }


def add_analytics(
    console: FastAPI, analytics: Analytics, operator: Callable[[Request], Person], templates: Jinja2Templates
) -> None:
    """Add the routes to the console.

    :param operator: returns who sent a request, if it is an operator.
    """
    Operator = Annotated[Person, Depends(operator)]  # noqa: N806 - a type
    Wanted = Annotated[Given, Depends()]  # noqa: N806 - a type

    @console.get("/analytics")
    def show(request: Request, person: Operator, given: Wanted) -> Response:
        """Show how questions ended."""
        wanted = _meant(given)
        values = analytics.shown(person, wanted)
        status = INVALID if wanted.problems else 200
        return templates.TemplateResponse(request, "analytics.html", values, status_code=status)

    @console.get("/analytics/questions")
    def questions(  # noqa: PLR0913, PLR0917 - the address
        request: Request,
        person: Operator,
        given: Wanted,
        figure: Figure = "asked",
        settled: bool = False,  # noqa: FBT001, FBT002 - part of the address
        start: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> Response:
        """Show the questions behind a figure."""
        values = analytics.listed(person, _usable(given), figure, settled=settled, start=start)
        return templates.TemplateResponse(request, "analytics_questions.html", values)

    _add_files(console, analytics, operator)


def _add_files(console: FastAPI, analytics: Analytics, operator: Callable[[Request], Person]) -> None:
    Operator = Annotated[Person, Depends(operator)]  # noqa: N806 - a type
    Wanted = Annotated[Given, Depends()]  # noqa: N806 - a type

    @console.get("/analytics.csv")
    def download(person: Operator, given: Wanted) -> Response:
        """Download the figures."""
        wanted = _usable(given)
        return _file(figures_csv(analytics.ledger.report(person, wanted.selection, wanted.step)), "outcomes", wanted)

    @console.get("/analytics/questions.csv")
    def download_questions(
        person: Operator,
        given: Wanted,
        figure: Figure = "asked",
        settled: bool = False,  # noqa: FBT001, FBT002 - part of the address
    ) -> Response:
        """Download the questions behind a figure."""
        wanted = _usable(given)
        selection = replace(wanted.selection, settled=settled)
        found, _ = analytics.ledger.questions(person, selection, _known(figure), limit=IN_A_FILE)
        return _file(questions_csv(found), f"questions-{figure}", wanted)


def duration(taken: timedelta) -> str:
    """Return a time in the two largest units that it has."""
    minutes = round(taken.total_seconds() / 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _tables(report: Report, wanted: Filter, titles: Mapping[str, str]) -> list[Table]:
    """Return the rows of the tables: by period, which is first, then by department, channel and adapter."""
    steps = [(f"{day:%d %b %Y}", each, wanted.within(day)) for day, each in report.steps.items()]
    groups = (("department", report.departments), ("channel", report.channels), ("adapter", report.adapters))
    return [
        Table("period", f"By {wanted.step}", wanted.step.capitalize(), steps),
        *(
            Table(
                field,
                f"By {FIELDS[field]}",
                FIELDS[field].capitalize(),
                [(titles.get(name, name), each, wanted.given.but(field, name)) for name, each in members.items()],
            )
            for field, members in groups
        ),
    ]


def _options(choices: Choices, titles: Mapping[str, str]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return what each field of the filter can be, with the words for it."""
    fields = (("department", choices.departments), ("channel", choices.channels), ("adapter", choices.adapters))
    return {field: [(name, titles.get(name, name)) for name in names] for field, names in fields}


def _known(figure: str) -> str:
    if figure not in FIGURES:
        raise NotFoundError(
            f"There is no figure {figure!r}.", hint=f"Choose one of {', '.join(FIGURES)}, or go back to the page."
        )
    return figure


def _meant(given: Given) -> Filter:
    return read(given, now().astimezone(UTC).date())


def _usable(given: Given) -> Filter:
    """Return what a filter means.

    :raises NotFoundError: it means nothing.
    """
    wanted = _meant(given)
    for problem in wanted.problems.values():
        raise NotFoundError(problem, hint="Go back to the page and choose other days.")
    return wanted


def _file(text: str, name: str, wanted: Filter) -> Response:
    headers: Mapping[str, str] = {
        "Content-Disposition": f'attachment; filename="{name}-{wanted.since}-{wanted.until}.csv"'
    }
    return Response(text, media_type="text/csv; charset=utf-8", headers=dict(headers))
