"""Places with several people, such as Slack channels: which departments answer there, and what may be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from bot.access.audit import note_change
from bot.domain.errors import SettingsError
from bot.domain.people import QUALIFIED, principal_problem
from bot.storage.tables.access import PlaceRow
from bot.storage.tables.answers import QuestionRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.access.departments import Departments
    from bot.storage.session import Store


@dataclass(frozen=True, slots=True)
class Place:
    """A configured place.

    :param id: its channel plugin and its id there, such as ``slack:C024BE91L``.
    :param departments: who answers there; empty leaves it to the channel plugin.
    :param principals: what its whole audience may read beyond what is open to everyone.
    :param train_eligible: whether rounds may learn from it; ``None`` leaves it to the channel plugin's default.
    :param config: the channel plugin's own settings of the place.
    """

    id: str
    departments: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    train_eligible: bool | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


class Places:
    """The configured places of an instance. Everything here is blocking."""

    def __init__(self, store: Store, departments: Departments) -> None:
        self._store = store
        self._departments = departments

    def get(self, place_id: str) -> Place | None:
        """Return a place; ``None`` when nobody configured it."""
        with self._store.read() as session:
            row = session.get(PlaceRow, place_id)
        return _place(row) if row is not None else None

    def all(self, channel: str | None = None) -> tuple[Place, ...]:
        """Return the configured places, of one channel plugin (``slack``) or of all, by id."""
        known = select(PlaceRow).order_by(PlaceRow.id)
        if channel is not None:
            known = known.where(PlaceRow.id.startswith(f"{channel}:", autoescape=True))
        with self._store.read() as session:
            return tuple(_place(row) for row in session.scalars(known))

    def configure(self, place: Place, *, actor: str) -> None:
        """Store the settings of a place.

        ``train_eligible=False`` also keeps out of rounds what was asked there before.

        :raises NotFoundError: a department does not exist.
        :raises SettingsError: the id or a principal is not written in full.
        """
        for name in place.departments:
            self._departments.get(name)
        _require_written_in_full(place)
        values = {
            "departments": list(place.departments),
            "principals": list(place.principals),
            "train_eligible": place.train_eligible,
            "config": dict(place.config),
        }
        with self._store.write() as session:
            session.merge(PlaceRow(id=place.id, **values))
            if place.train_eligible is False:
                _keep_out_of_rounds(session, place.id)
            note_change(session, actor=actor, action="place.configure", subject=place.id, detail=values)

    def bind(
        self,
        place_id: str,
        department: str,
        *,
        actor: str,
        train_eligible: bool | None = None,
        principals: Sequence[str] = (),
    ) -> None:
        """Add a department to those that answer in a place. What is not given (``None``, empty) stays as it was."""
        bound = self.get(place_id) or Place(place_id)
        changed = Place(
            place_id,
            tuple(sorted({*bound.departments, department})),
            tuple(principals) or bound.principals,
            bound.train_eligible if train_eligible is None else train_eligible,
            bound.config,
        )
        self.configure(changed, actor=actor)


def _place(row: PlaceRow) -> Place:
    return Place(row.id, tuple(row.departments), tuple(row.principals), row.train_eligible, row.config)


def _keep_out_of_rounds(session: Session, place_id: str) -> None:
    channel, _, rest = place_id.partition(":")
    team, _, place = rest.rpartition(":")
    there = update(QuestionRow).where(QuestionRow.channel == channel, QuestionRow.place == place)
    if team:  # of several workspaces, whose places may have the same name
        there = there.where(QuestionRow.person_id.startswith(f"{channel}:{team}:", autoescape=True))
    session.execute(there.values(train_eligible=False))


def _require_written_in_full(place: Place) -> None:
    if not QUALIFIED.fullmatch(place.id):
        raise SettingsError(
            f"{place.id!r} is not a channel. Expected a plugin and an id, such as slack:C024BE91L.",
            hint="The app that the channel belongs to shows its id.",
        )
    for problem in filter(None, map(principal_problem, place.principals)):
        raise SettingsError(problem)
