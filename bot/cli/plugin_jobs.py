"""The jobs of a plugin and what is known of their runs, for ``mentee plugins show``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from bot.cli.output import console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bot.app import Mentee
    from bot.domain.plugins.jobs import JobStatus


def jobs(mentee: Mentee, name: str) -> list[dict[str, Any]]:
    """Return the jobs of a plugin that is on, with their last and next runs."""
    return [_shown(each) for each in mentee.jobs().statuses(name)]


def print_jobs(found: Sequence[Mapping[str, Any]]) -> None:
    """Print what :func:`jobs` returned."""
    if not found:
        return
    table = Table("Job", "Every", "Last run (UTC)", "Next run (UTC)")
    for each in found:
        following = f"running in {each['running']}" if each["running"] else _read(each["next_at"])
        table.add_row(each["name"], each["every"], _last(each), escape(following))
    console.print(table)
    for each in found:
        if each["error"]:
            console.print(escape(f"Job {each['name']} last failed at {each['error_at']}: {each['error']}"))


def _last(job: Mapping[str, Any]) -> str:
    if not job["next_at"]:
        return "not seen by a server yet"
    if not job["last_at"]:
        return "never"
    ended = f"{job['outcome'] or 'not finished'}, {job['seconds']:.1f} s"
    return f"{_read(job['last_at'])} {'under way' if job['running'] else ended}"


def _read(time: str | None) -> str:
    """Return a time as people read it, which a narrow table can wrap."""
    return time.replace("T", " ").removesuffix("+00:00") if time else ""


def _shown(status: JobStatus) -> dict[str, Any]:
    times = {key: _time(getattr(status, key)) for key in ("last_at", "next_at", "error_at")}
    return {**asdict(status), "every": str(status.every), **times}


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None
