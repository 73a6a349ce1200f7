"""Departments: who they are, who may ask them, and what their documents' default readers are."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import select, update

from bot.errors import ForbiddenError, NotFoundError, SettingsError
from bot.messages import EVERYONE, QUALIFIED, Audience, DepartmentSpec, Person, Role
from bot.store.models import AuditRow, ChannelRow, DepartmentRow, MemberRow, PersonRow, QuestionRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.settings import AnswerSettings, EscalationSettings, FeedbackSettings, Settings, TuningSettings
    from bot.store import Store

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
PERSON = re.compile(r"user:\S+")
TEXT_FIELDS = ("title", "instructions")
SECTIONS = ("answers", "feedback", "escalations", "tuning")
"""Sections of the settings that a department may override."""
Section = TypeVar("Section", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Department:
    """A department as the rest of the core sees it.

    :param answers: how its answers are made: its own overrides over the instance's settings.
    :param tuning: its tuning policy, likewise; so are ``feedback`` and ``escalations``.
    """

    name: str
    title: str
    instructions: str
    glossary: Mapping[str, str]
    examples: tuple[str, ...]
    open: bool
    answers: AnswerSettings
    tuning: TuningSettings
    feedback: FeedbackSettings
    escalations: EscalationSettings
    members: frozenset[str] = field(default_factory=frozenset)

    @property
    def readers(self) -> frozenset[str]:
        """The principals who may read its documents unless a document names its own."""
        return frozenset({EVERYONE}) if self.open else frozenset({f"department:{self.name}"})


class Departments:
    """The departments of an instance."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def names(self) -> list[str]:
        """Return all names, sorted."""
        with self._store.read() as session:
            return list(session.scalars(select(DepartmentRow.name).order_by(DepartmentRow.name)))

    def all(self) -> list[Department]:
        """Return all departments, by name."""
        with self._store.read() as session:
            rows = session.scalars(select(DepartmentRow).order_by(DepartmentRow.name)).all()
            return [self._department(session, row) for row in rows]

    def get(self, name: str) -> Department:
        """Return a department.

        :raises NotFoundError: there is none of that name; the text lists those that exist.
        """
        with self._store.read() as session:
            row = session.get(DepartmentRow, name)
            if row is not None:
                return self._department(session, row)
        known = ", ".join(self.names()) or "none yet"
        raise NotFoundError(
            f"There is no department {name!r}. Departments: {known}.",
            hint=f"Choose one of them, or `mentee departments add {name}`.",
        )

    def add(self, spec: DepartmentSpec, *, actor: str) -> Department:
        """Add a department.

        :raises SettingsError: the name is taken, or holds other than lower-case letters, digits and hyphens.
        """
        if not NAME.fullmatch(spec.name):
            raise SettingsError(
                f"{spec.name!r} cannot name a department.",
                hint="Use lower-case letters, digits and hyphens, like it-help.",
            )
        with self._store.write() as session:
            if session.get(DepartmentRow, spec.name) is not None:
                raise SettingsError(
                    f"Department {spec.name!r} exists already.", hint="`mentee departments configure` changes it."
                )
            session.add(
                DepartmentRow(
                    name=spec.name,
                    title=spec.title or spec.name,
                    instructions=spec.instructions,
                    glossary=dict(spec.glossary),
                    examples=list(spec.examples),
                    open=spec.open,
                    config={},
                )
            )
            session.add(AuditRow(actor=actor, action="department.add", subject=spec.name, detail=asdict(spec)))
        return self.get(spec.name)

    def remove(self, name: str, *, actor: str) -> None:
        """Remove a department with its documents; questions, answers and votes stay as history."""
        self.get(name)
        with self._store.write() as session:
            session.delete(session.get_one(DepartmentRow, name))
            session.add(AuditRow(actor=actor, action="department.remove", subject=name))

    def configure(self, name: str, values: Mapping[str, Any], *, actor: str) -> Department:
        """Change a department: its texts, ``open``, or a setting of :data:`SECTIONS` as ``answers.passages``.

        :raises SettingsError: a key is unknown or a value unusable; nothing is changed then.
        """
        self.get(name)
        with self._store.write() as session:
            row = session.get_one(DepartmentRow, name)
            config = dict(row.config)
            for key, value in values.items():
                section, _, setting = key.partition(".")
                if key in TEXT_FIELDS:
                    setattr(row, key, str(value))
                elif key == "open":
                    row.open = _boolean(key, value)
                elif section in SECTIONS and setting:
                    config[section] = {**config.get(section, {}), setting: value}
                else:
                    raise SettingsError(
                        f"A department has no setting {key!r}.",
                        hint=f"Use title, instructions, open, or {', '.join(f'{name}.NAME' for name in SECTIONS)}.",
                    )
            row.config = config
            self._department(session, row)  # refuses unusable values before anything is committed
            detail = {"values": {key: str(value) for key, value in values.items()}}
            session.add(AuditRow(actor=actor, action="department.configure", subject=name, detail=detail))
        return self.get(name)

    def set_member(self, name: str, principal: str, *, member: bool, actor: str) -> None:
        """Let a person (``user:…``) into a closed department, or out of it.

        :raises SettingsError: who is to be let in is no person.
        """
        self.get(name)
        if member and not PERSON.fullmatch(principal):
            raise SettingsError(
                f"{principal!r} is no person; one such as user:ada or user:slack:U024BE7LH was expected.",
                hint="`mentee users list` shows who is known.",
            )
        with self._store.write() as session:
            row = session.get(MemberRow, (name, principal))
            if member and row is None:
                session.add(MemberRow(department=name, principal=principal))
            elif not member and row is not None:
                session.delete(row)
            detail = {"principal": principal, "member": member}
            session.add(AuditRow(actor=actor, action="department.member", subject=name, detail=detail))

    def askable(self, audience: Audience) -> list[str]:
        """Return the departments that the whole audience may ask, sorted."""
        return [department.name for department in self.all() if audience.may_read(department.readers)]

    def require_askable(self, name: str, audience: Audience) -> Department:
        """Return a department the audience may ask.

        :raises NotFoundError: there is none of that name.
        :raises ForbiddenError: there is, but it is closed to this audience.
        """
        department = self.get(name)
        if not audience.may_read(department.readers):
            raise ForbiddenError(
                f"The {department.title} department is open to its members only.", hint="Ask its owners to add you."
            )
        return department

    def audience_of(self, person: Person) -> Audience:
        """Return the audience of a private answer: the person and the closed departments they belong to."""
        own = {EVERYONE, person.id if person.id.startswith("user:") else f"user:{person.id}"}
        with self._store.read() as session:
            members = session.execute(select(MemberRow.department, MemberRow.principal)).all()
        own |= {f"department:{name}" for name, principal in members if principal in own}
        return Audience(frozenset(own), unrestricted=person.role.includes(Role.OPERATOR))

    def channel(self, channel_id: str) -> ChannelRow | None:
        """Return what is known of a conversation place such as ``slack:C024BE91L``."""
        with self._store.read() as session:
            return session.get(ChannelRow, channel_id)

    def channels(self, channel: str) -> list[ChannelRow]:
        """Return the conversation places of a channel plugin (``slack``) that an operator configured, by id."""
        with self._store.read() as session:
            known = select(ChannelRow).where(ChannelRow.id.startswith(f"{channel}:", autoescape=True))
            return list(session.scalars(known.order_by(ChannelRow.id)))

    def set_channel(  # noqa: PLR0913 - one keyword for each part of the row
        self,
        channel_id: str,
        departments: Sequence[str],
        *,
        actor: str,
        train_eligible: bool | None = None,
        principals: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Bind a conversation place to departments.

        :param train_eligible: ``None`` leaves it to the channel plugin's default; ``False`` also keeps out of rounds
            what was asked there before.
        :param principals: what its whole audience may read.
        :param config: the channel plugin's own settings of the place; ``None`` leaves them as they are.
        :raises SettingsError: the place or a principal is none.
        """
        for name in departments:
            self.get(name)
        _require_named_in_full(channel_id, principals)
        with self._store.write() as session:
            row = session.get(ChannelRow, channel_id) or ChannelRow(id=channel_id, config={})
            row.departments, row.train_eligible, row.principals = list(departments), train_eligible, list(principals)
            row.config = dict(row.config if config is None else config)
            session.add(row)
            if train_eligible is False:
                _keep_out_of_rounds(session, channel_id)
            detail = {
                "departments": row.departments,
                "train_eligible": train_eligible,
                "principals": row.principals,
                "config": row.config,
            }
            session.add(AuditRow(actor=actor, action="channel.configure", subject=channel_id, detail=detail))

    def bind_channel(
        self, channel_id: str, name: str, *, actor: str, train_eligible: bool | None, reads: Sequence[str]
    ) -> None:
        """Add a department to those a conversation place asks; what is not said (``None``, empty) stays as it was."""
        bound = self.channel(channel_id) or ChannelRow(departments=[], principals=[])
        self.set_channel(
            channel_id,
            sorted({*bound.departments, name}),
            actor=actor,
            train_eligible=bound.train_eligible if train_eligible is None else train_eligible,
            principals=reads or bound.principals,
        )

    def person(self, person_id: str) -> Person:
        """Return a person by id; somebody not known yet is an employee."""
        with self._store.read() as session:
            row = session.get(PersonRow, person_id)
        return Person(row.id, row.name, Role(row.role)) if row else Person(person_id)

    def _department(self, session: Session, row: DepartmentRow) -> Department:
        members = session.scalars(select(MemberRow.principal).where(MemberRow.department == row.name))
        sections = {
            name: _overridden(getattr(self._settings, name), row.config.get(name, {}), f"{name} of {row.name}")
            for name in SECTIONS
        }
        return Department(
            row.name,
            row.title,
            row.instructions,
            row.glossary,
            tuple(row.examples),
            row.open,
            members=frozenset(members),
            **sections,
        )


def _keep_out_of_rounds(session: Session, channel_id: str) -> None:
    channel, _, rest = channel_id.partition(":")
    team, _, place = rest.rpartition(":")
    there = update(QuestionRow).where(QuestionRow.channel == channel, QuestionRow.place == place)
    if team:  # of several workspaces, whose places may have the same name
        there = there.where(QuestionRow.person_id.startswith(f"{channel}:{team}:", autoescape=True))
    session.execute(there.values(train_eligible=False))


def _require_named_in_full(channel_id: str, principals: Sequence[str]) -> None:
    if not QUALIFIED.fullmatch(channel_id):
        raise SettingsError(
            f"{channel_id!r} is no channel; its plugin and its id, such as slack:C024BE91L, were expected.",
            hint="Slack shows a channel's id at the bottom of its details.",
        )
    for principal in principals:
        if principal != EVERYONE and not QUALIFIED.fullmatch(principal):
            raise SettingsError(
                f"{principal!r} is nothing that a document can name as its reader.",
                hint=f"Use {EVERYONE}, department:NAME or user:NAME.",
            )


def _boolean(name: str, value: Any) -> bool:
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError:
        raise SettingsError(f"{name} is true or false, not {value!r}.") from None


def _overridden(base: Section, values: Mapping[str, Any], what: str) -> Section:
    try:
        return type(base).model_validate({**base.model_dump(), **values})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"Setting {key!r} in {what}: {first['msg']} (found {first.get('input')!r}).",
            hint=f"Known settings: {', '.join(type(base).model_fields)}.",
        ) from None
