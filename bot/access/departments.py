"""Departments: their settings, who may ask them, and who may read their documents by default."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import delete, select

from bot.access.audit import note_change
from bot.access.names import is_retired, require_fresh, retire
from bot.access.people import account_id, known_person
from bot.config.overrides import OVERRIDABLE, overridden
from bot.domain.errors import ForbiddenError, NotFoundError, SettingsError
from bot.domain.people import EVERYONE, Audience, Person, Role, principals_of
from bot.storage.tables.access import DepartmentRow, MemberRow, PluginStateRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from bot.config.core import AnswerSettings, EscalationSettings, FeedbackSettings, TuningSettings
    from bot.config.settings import Settings
    from bot.domain.departments import DepartmentSpec
    from bot.storage.session import Store

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
PERSON = re.compile(r"user:\S+")
TEXT_FIELDS = ("title", "instructions")


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
        """The principals who may read its documents, unless a document has readers of its own."""
        return readers_of(self.name, is_open=self.open)


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

    def add(self, spec: DepartmentSpec, *, actor: str, offered: DepartmentSpec | None = None) -> Department:
        """Add a department.

        :param offered: a plugin's description of it, by which :meth:`refresh` later tells what an operator changed.
        :raises SettingsError: the name is taken or retired, or holds other than lower-case letters, digits and hyphens.
        """
        if not NAME.fullmatch(spec.name):
            raise SettingsError(
                f"{spec.name!r} can't be the name of a department.",
                hint="Use lower-case letters, digits and hyphens, such as it-help.",
            )
        with self._store.write() as session:
            if session.get(DepartmentRow, spec.name) is not None:
                raise SettingsError(
                    f"Department {spec.name!r} already exists.", hint="`mentee departments configure` changes it."
                )
            require_fresh(session, f"department:{spec.name}")
            session.add(
                DepartmentRow(
                    name=spec.name,
                    title=spec.title or spec.name,
                    instructions=spec.instructions,
                    glossary=dict(spec.glossary),
                    examples=list(spec.examples),
                    open=spec.open,
                    config={},
                    offered=described(offered) if offered else {},
                )
            )
            note_change(session, actor=actor, action="department.add", subject=spec.name, detail=asdict(spec))
        return self.get(spec.name)

    def outdated(self, spec: DepartmentSpec) -> dict[str, Any]:
        """Return what a plugin's new description would change in its department: the new values, by field.

        What an operator changed stays as it is.
        """
        with self._store.read() as session:
            row = session.get_one(DepartmentRow, spec.name)
            return _outdated(row, spec)

    def refresh(self, spec: DepartmentSpec, *, actor: str) -> dict[str, Any]:
        """Bring a department up to date with its plugin's description; return what :meth:`outdated` does."""
        with self._store.write() as session:
            row = session.get_one(DepartmentRow, spec.name, with_for_update=True)
            changed = _outdated(row, spec)
            for key, value in changed.items():
                if key != "sources":
                    setattr(row, key, value)
            row.offered = described(spec)
            if changed:
                note_change(session, actor=actor, action="department.refresh", subject=spec.name, detail=changed)
        return changed

    def remove(self, name: str, *, actor: str) -> None:
        """Remove a department and its documents, and retire its name. Questions, answers and votes stay."""
        self.get(name)
        with self._store.write() as session:
            session.delete(session.get_one(DepartmentRow, name))
            session.execute(delete(PluginStateRow).where(PluginStateRow.department == name))
            retire(session, f"department:{name}")
            note_change(session, actor=actor, action="department.remove", subject=name)

    def configure(self, name: str, values: Mapping[str, Any], *, actor: str) -> Department:
        """Change a department: its texts, ``open``, or a setting such as ``answers.passages``.

        Sections that may be set are :data:`~bot.config.overrides.OVERRIDABLE`.

        :raises SettingsError: a key is unknown or a value unusable; nothing is changed then.
        """
        self.get(name)
        with self._store.write() as session:
            row = session.get_one(DepartmentRow, name, with_for_update=True)
            config = dict(row.config)
            for key, value in values.items():
                section, _, setting = key.partition(".")
                if key in TEXT_FIELDS:
                    setattr(row, key, str(value))
                elif key == "open":
                    row.open = _boolean(key, value)
                elif section in OVERRIDABLE and setting:
                    config[section] = {**config.get(section, {}), setting: value}
                else:
                    raise SettingsError(
                        f"Departments have no setting {key!r}.",
                        hint=f"Use title, instructions, open, or {', '.join(f'{name}.NAME' for name in OVERRIDABLE)}.",
                    )
            row.config = config
            self._department(session, row)  # refuses unusable values before anything is committed
            detail = {"values": {key: str(value) for key, value in values.items()}}
            note_change(session, actor=actor, action="department.configure", subject=name, detail=detail)
        return self.get(name)

    def set_member(self, name: str, principal: str, *, member: bool, actor: str) -> None:
        """Add a person (``user:…``) to a closed department, or remove them.

        :raises SettingsError: ``principal`` is not a person.
        """
        self.get(name)
        if member and not PERSON.fullmatch(principal):
            raise SettingsError(
                f"{principal!r} is not a person. Expected one such as user:ada or user:slack:U024BE7LH.",
                hint="`mentee users list` lists all people.",
            )
        with self._store.write() as session:
            if not member:
                gone = {principal, f"user:{account_id(principal.removeprefix('user:'))}"}
                named = MemberRow.department == name, MemberRow.principal.in_(gone)
                session.execute(delete(MemberRow).where(*named))
            elif session.get(MemberRow, (name, principal)) is None:
                session.add(MemberRow(department=name, principal=principal))
            detail = {"principal": principal, "member": member}
            note_change(session, actor=actor, action="department.member", subject=name, detail=detail)

    def title(self, name: str) -> str:
        """Return a department's title, or its name if it no longer exists."""
        with self._store.read() as session:
            return session.scalar(select(DepartmentRow.title).where(DepartmentRow.name == name)) or name

    def askable(self, audience: Audience) -> list[str]:
        """Return the departments that the whole audience may ask, sorted."""
        query = select(DepartmentRow.name, DepartmentRow.open).order_by(DepartmentRow.name)
        with self._store.read() as session:
            known = session.execute(query).all()
        return [name for name, is_open in known if audience.may_read(readers_of(name, is_open=is_open))]

    def require_askable(self, name: str, audience: Audience) -> Department:
        """Return a department the audience may ask.

        :raises NotFoundError: there is none of that name; the text lists those that the audience may ask.
        :raises ForbiddenError: there is, but it is closed to this audience.
        """
        try:
            department = self.get(name)
        except NotFoundError:
            known = ", ".join(self.askable(audience)) or "none"
            hint = f"Departments that you may ask: {known}."
            raise NotFoundError(f"There is no department {name!r}.", hint=hint) from None
        if not audience.may_read(department.readers):
            raise ForbiddenError(
                f"Only members can ask the {department.title} department.", hint="Ask its owners to add you."
            )
        return department

    def audience_of(self, person: Person) -> Audience:
        """Return the audience of a private answer: the person and the closed departments they belong to.

        Whoever signs in as ``ada`` is both ``user:ada`` and ``user:web:ada``. Somebody removed may read nothing.
        """
        own = {EVERYONE, *principals_of(person.id)}
        with self._store.read() as session:
            if is_retired(session, person.id):
                return Audience(frozenset())
            members = session.execute(select(MemberRow.department, MemberRow.principal)).all()
        own |= {f"department:{name}" for name, principal in members if principal in own}
        return Audience(frozenset(own), unrestricted=person.role.includes(Role.OPERATOR))

    def audience_of_all(self, name: str) -> Audience:
        """Return everybody who may ask a department as one audience; nobody, if it no longer exists."""
        with self._store.read() as session:
            is_open = session.scalar(select(DepartmentRow.open).where(DepartmentRow.name == name))
        if is_open is None:
            return Audience(frozenset())
        return Audience(readers_of(name, is_open=is_open) | {EVERYONE})

    def person(self, person_id: str) -> Person:
        """Return a person by id, as :meth:`bot.access.people.People.get` does."""
        with self._store.read() as session:
            return known_person(session, person_id)

    def _department(self, session: Session, row: DepartmentRow) -> Department:
        members = session.scalars(select(MemberRow.principal).where(MemberRow.department == row.name))
        config = row.config
        if row.offered.get("sources"):  # made to answer from these, so it invents nothing while they are missing
            config = {**config, "answers": {"chat_without_documents": False, **config.get("answers", {})}}
        sections = {
            name: overridden(getattr(self._settings, name), config.get(name, {}), f"{name} of {row.name}")
            for name in OVERRIDABLE
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


def described(spec: DepartmentSpec) -> dict[str, Any]:
    """Return a description as it is stored."""
    return {
        "title": spec.title or spec.name,
        "instructions": spec.instructions,
        "glossary": dict(spec.glossary),
        "examples": list(spec.examples),
        "open": spec.open,
        "sources": list(spec.sources),
    }


def _outdated(row: DepartmentRow, spec: DepartmentSpec) -> dict[str, Any]:
    offered = described(spec)
    new_sources = [each for each in offered.pop("sources") if each not in row.offered.get("sources", ())]
    changed = {
        key: value
        for key, value in offered.items()
        if getattr(row, key) != value and getattr(row, key) == row.offered.get(key, getattr(row, key))
    }
    return {**changed, "sources": new_sources} if new_sources else changed


def readers_of(department: str, *, is_open: bool) -> frozenset[str]:
    """Return the principals who may ask a department."""
    return frozenset({EVERYONE}) if is_open else frozenset({f"department:{department}"})


def _boolean(name: str, value: Any) -> bool:
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError:
        raise SettingsError(f"{name} must be true or false, not {value!r}.") from None
