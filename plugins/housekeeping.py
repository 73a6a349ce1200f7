"""What Mentee does by itself: reminders, notifications, overdue actions, comparing questions, applying retention."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from bot.delivery.retention import Retention
from bot.domain.plugins.jobs import Job
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.hooks.instance import Instance

OFTEN = timedelta(seconds=15)


@hookimpl
def register_jobs(instance: Instance) -> Sequence[Job]:
    """Send what is due, and apply ``[retention]`` once a day."""
    retention = Retention(instance.store, instance.settings.retention)
    return [
        Job("escalations", OFTEN, instance.escalations.remind),
        Job("notifications", OFTEN, instance.notifications.tell),
        Job("overdue-actions", OFTEN, instance.actions.settle_overdue),
        Job("outcomes", timedelta(minutes=1), instance.outcomes.compare, limit=timedelta(hours=1)),
        Job("retention", timedelta(days=1), retention.apply, limit=timedelta(hours=1)),
    ]
