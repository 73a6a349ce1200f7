"""``mentee outcomes``: how questions ended."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast

import click
from rich.markup import escape
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option
from bot.domain.identifiers import now
from bot.domain.outcomes.deciding import Outcome
from bot.domain.outcomes.figures import SHARES
from bot.domain.people import Person, Role
from bot.feedback.outcomes.facts import NO_ADAPTER, Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.domain.outcomes.figures import Figures, Handling, Share, Step
    from bot.feedback.outcomes.ledger import Report

OPERATOR = Person("cli:operator", role=Role.OPERATOR)


@click.command("outcomes")
@click.option("--department", metavar="NAME", help="Only this department.")
@click.option("--channel", default="", metavar="NAME", help="Only questions that came through this channel plugin.")
@click.option(
    "--adapter", default="", metavar="VERSION", help=f"Only answers by this adapter; {NO_ADAPTER!r} if none wrote them."
)
@click.option("--days", type=click.IntRange(1, 366), default=28, show_default=True, help="Number of days, with today.")
@click.option(
    "--by", "step", type=click.Choice(["day", "week"]), default="week", show_default=True, help="Length of a period."
)
@json_option
def outcomes(  # noqa: PLR0913 - one parameter for each option
    department: str | None, channel: str, adapter: str, *, days: int, step: str, as_json: bool
) -> None:
    """Show how questions ended, and figures that follow from it.

    Confirmed means that the asker said so, assumed that nobody objected; the two are never added. Shares are of
    questions answered at least 72 hours ago, with their 95 % interval. Days are in UTC.
    """
    today = now().astimezone(UTC).date()
    until = datetime.combine(today + timedelta(days=1), time(), UTC)
    chosen = [department] if department is not None else None
    selection = Selection(until - timedelta(days=days), until, chosen, channel, adapter)
    with opened() as mentee:
        if department is not None and department not in mentee.outcomes.choices(OPERATOR).departments:
            mentee.departments.get(department)  # says which there are
        report = mentee.outcomes.report(OPERATOR, selection, cast("Step", step))
    if as_json:
        emit_json(_json(report))
        return
    _show(report)


def _show(report: Report) -> None:
    table = Table("", "asked", *(outcome.value for outcome in Outcome), box=None, pad_edge=False)
    groups = (
        ((f"{day:%Y-%m-%d}", each) for day, each in report.steps.items()),
        report.departments.items(),
        report.channels.items(),
        report.adapters.items(),
        [("all", report.total)],
    )
    for group in groups:
        for name, figures in group:
            table.add_row(escape(name), *(str(figures.counts[each]) for each in ("asked", *Outcome)))
        table.add_section()
    console.print(table)
    for name in SHARES:
        console.print(f"{name}: {_said(report.total.share(name))}")
    handling = report.total.handling
    if handling.median is not None:
        console.print(f"until a person replied: {_minutes(handling.median)} min (median of {handling.number})")
    if report.uncompared:
        console.print(f"{report.uncompared} stay open until `mentee serve` has compared them with others.")


def _said(share: Share) -> str:
    if share.value is None:
        return "-"
    low, high = share.interval
    return f"{share.part} of {share.whole}, {share.value:.0%} ({low:.0%}–{high:.0%})"


def _minutes(time_taken: timedelta | None) -> float | None:
    return None if time_taken is None else round(time_taken.total_seconds() / 60, 1)


def _json(report: Report) -> dict[str, Any]:
    parts: Mapping[str, Mapping[Any, Figures]] = {
        "periods": report.steps,
        "departments": report.departments,
        "channels": report.channels,
        "adapters": report.adapters,
    }
    return {
        "at": report.at,
        "all": _figures(report.total),
        **{name: {str(key): _figures(each) for key, each in of_it.items()} for name, of_it in parts.items()},
        "uncompared": report.uncompared,
    }


def _figures(figures: Figures) -> dict[str, Any]:
    shares = {
        name: {"share": share.value, "low": share.interval[0], "high": share.interval[1], "of": SHARES[name]}
        for name, share in ((name, figures.share(name)) for name in SHARES)
    }
    return {"counts": figures.counts, "shares": shares, "handling": _handling(figures.handling)}


def _handling(handling: Handling) -> dict[str, Any]:
    times = {"median_minutes": _minutes(handling.median), "nine_in_ten_minutes": _minutes(handling.nine_in_ten)}
    return {"questions": handling.number, **times}
