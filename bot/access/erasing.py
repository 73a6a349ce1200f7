"""Erases a person or a document from the whole instance, and proves it by a search for what may not be left.

The order makes a repetition safe. Plugins' erasers come first: they stop rounds and remove files and index snapshots.
One transaction then deletes the core's rows, and stores the marks by which ``mentee doctor --orphans`` recognises what
was erased. The audit log says that something was erased, by whom and when, and how much of it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import JSON, Text, cast, delete, or_, select, update

from bot.access import quoted
from bot.access.audit import note_change
from bot.access.erasure import remove_questions, settle_curated
from bot.access.names import document_name, erased_name, no_department, no_person, retire
from bot.access.people import account_id
from bot.access.person_rows import bare_names, elsewhere, remove_person, replaced
from bot.domain.errors import NotFoundError
from bot.domain.identifiers import new_id
from bot.domain.people import principals_of
from bot.domain.ports import Erasure
from bot.storage.tables.access import AuditRow, DepartmentRow, ErasureRow, PersonRow, PluginStateRow
from bot.storage.tables.answers import AnswerRow, QuestionRow, ThreadTitleRow
from bot.storage.tables.base import Base
from bot.storage.tables.delivery import InboxRow, OutboxRow
from bot.storage.tables.documents import DocumentRow
from bot.storage.tables.feedback import (
    CorrectionRow,
    CuratedVersionRow,
    EscalationRow,
    RejectionRow,
    VoteEventRow,
    VoteRow,
)
from bot.storage.tables.plugins import JobRow, PluginFailureRow
from bot.storage.tables.training import DatasetRowRow, HeldOutRow
from bot.storage.traces import Marks, known_marks, search, texts_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement, MetaData
    from sqlalchemy.orm import Session

    from bot.domain.ports import Eraser
    from bot.storage.session import Store
    from bot.storage.traces import Trace

LONG_NAME = 8
"""Characters from which on a name isn't mistaken for a word within other text."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure removed.

    :param counts: how much of what, such as ``questions``.
    :param left: where something of it was still found afterwards.
    :param copies: the same document in other departments, which stays: its department and address in each.
    """

    id: str
    counts: dict[str, int]
    left: tuple[str, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()


class Erasing:
    """Erases people and documents. Everything here is blocking.

    :param erasers: returns what plugins erase with.
    :param tables: returns the tables of plugins.
    :param folders: the folders whose files are searched for what is left.
    :param apart: the folder of models, which is not searched.
    """

    def __init__(
        self,
        store: Store,
        *,
        erasers: Callable[[], Sequence[Eraser]],
        tables: Callable[[], Iterable[MetaData]],
        folders: Sequence[Path],
        apart: Path,
    ) -> None:
        self._store = store
        self._erasers = erasers
        self._tables = tables
        self._folders = folders
        self._apart = apart

    def person(self, name: str, *, actor: str, dry_run: bool = False) -> Erased:
        """Erase a person with their questions, votes, corrections and everything made from them.

        :param name: a name as people sign in with it, or an id such as ``slack:U024BE7LH``.
        :param dry_run: change nothing and count what would go from the core's tables.
        :raises NotFoundError: nothing in the database is the person's.
        """
        person = account_id(name)
        with self._store.read() as session:
            if not _known(session, person):
                raise no_person(session, name)
            answers = _with_repeated(session, _answers_to(session, _questions_of(session, person)), person)
            said = {row for table in (VoteRow, VoteEventRow, CorrectionRow) for row in _about(session, table, person)}
            said |= _answers_to(session, {row.id for row in quoted.in_histories(session, person)})
            texts = tuple(_said(session, person))
        first = Erasure(new_id("er"), person)
        names = principals_of(person) | {person} | self._aliases(first)
        erasure = replace(first, answers=frozenset(answers | said), names=names, texts=texts)
        return self._erase(erasure, answers, actor=actor, dry_run=dry_run)

    def document(self, address: str, department: str, *, actor: str, dry_run: bool = False) -> Erased:
        """Erase a document with every answer that rests on it and everything made from those.

        :raises NotFoundError: there is no such department, or it has no such document.
        """
        with self._store.read() as session:
            if session.get(DepartmentRow, department) is None:
                raise no_department(session, department)
            found = select(DocumentRow).where(DocumentRow.department == department, DocumentRow.address == address)
            row = session.scalar(found)
        if row is None:
            raise NotFoundError(
                f"{department!r} has no document {address!r}.",
                hint=f"Run `mentee documents list --department {department}` to see them.",
            )
        copies = self._copies(row)
        texts = tuple(section["text"] for section in row.content.get("sections", ()) if section.get("text"))
        first = Erasure(new_id("er"), document=row.id, department=department, address=address)
        names = self._aliases(first) | {row.id}
        with self._store.read() as session:
            answers = _with_repeated(session, _resting_on(session, department, {address, *names}))
        erasure = replace(first, answers=frozenset(answers), names=names, texts=texts)
        return replace(self._erase(erasure, answers, actor=actor, dry_run=dry_run), copies=copies)

    def _copies(self, document: DocumentRow) -> tuple[tuple[str, str], ...]:
        """Return what other departments hold of the same address or content, by department."""
        same = or_(DocumentRow.address == document.address, DocumentRow.sha256 == document.sha256)
        elsewhere = select(DocumentRow.department, DocumentRow.address).where(
            same, DocumentRow.department != document.department
        )
        with self._store.read() as session:
            return tuple(sorted((department, address) for department, address in session.execute(elsewhere)))

    def orphans(self, contains: Callable[[str], bool] | None = None) -> Iterator[str]:
        """Yield where something erased is left, and what belongs to nothing any more.

        :param contains: search for this instead of for what was erased.
        """
        if contains is not None:
            yield from map(str, self._search(contains))
            return
        marks = known_marks(self._store)
        if marks:
            yield from map(str, self._search(lambda text: any(each.recognise(text) for each in marks)))
        with self._store.read() as session:
            yield from _pointing_to_nothing(session)
        for eraser in self._erasers():
            yield from eraser.orphans()

    def _aliases(self, erasure: Erasure) -> frozenset[str]:
        return frozenset(alias for eraser in self._erasers() for alias in eraser.aliases(erasure))

    def _erase(self, erasure: Erasure, answers: Collection[str], *, actor: str, dry_run: bool) -> Erased:
        counts: dict[str, int] = {}
        if not dry_run:
            for eraser in self._erasers():
                _add(counts, eraser.erase(erasure))
        with self._store.write() as session:
            if erasure.document:  # and those recorded since the first look
                resting = _resting_on(session, erasure.department, {erasure.address, *erasure.names})
                answers = _with_repeated(session, {*answers, *resting})
            _add(counts, self._delete(session, erasure, answers))
            if dry_run:
                session.rollback()
                return Erased(erasure.id, counts)
            marks = self._mark(session, erasure)
            note_change(
                session, actor=actor, action=f"{erasure.kind}.erase", subject=erasure.id, detail={"erased": counts}
            )
        self._compact()
        return Erased(erasure.id, counts, tuple(map(str, self._search(marks.recognise))))

    def _delete(self, session: Session, erasure: Erasure, answers: Collection[str]) -> dict[str, int]:
        """Delete the core's rows and plugins' rows of the person inside the transaction; return how many."""
        questions = set(session.scalars(select(AnswerRow.question_id).where(AnswerRow.id.in_(answers))))
        if erasure.person:
            questions |= _questions_of(session, erasure.person)
        names = erasure.names if erasure.person else frozenset()
        counts = {"deliveries": _delete_deliveries(session, questions | set(answers), names)}
        corrected = select(CorrectionRow.answer_id).where(CorrectionRow.person_id == erasure.person)
        held = {*answers, *(session.scalars(corrected) if erasure.person else ())}
        counts["held-out questions"] = _count(session, delete(HeldOutRow).where(HeldOutRow.answer_id.in_(held)))
        counts["dataset rows"] = _count(session, delete(DatasetRowRow).where(DatasetRowRow.answer_id.in_(answers)))
        counts["questions"] = len(remove_questions(session, sorted(questions)))
        session.execute(delete(PluginFailureRow))  # what plugins failed with may quote anything
        session.execute(update(JobRow).values(error="", error_at=None))
        session.execute(update(PluginStateRow).values(problem="", failed_at=None))
        session.flush()
        if erasure.person:
            counts["histories"] = quoted.remove_from_histories(session, erasure.person)
            for row in session.scalars(select(EscalationRow).where(EscalationRow.resolved_by == erasure.person)):
                row.reply = ""
            session.flush()
            tables = [Base.metadata, *self._tables()]
            _add(counts, remove_person(session, tables, erasure.names, erasure.id))
            retire(session, erased_name(erasure.person))  # for what they did that is being recorded
            if erasure.person.startswith("web:"):
                retire(session, erasure.person)
        else:
            this = DocumentRow.id == erasure.document
            counts["documents"] = _count(session, delete(DocumentRow).where(this))
            retire(session, document_name(erasure.document))  # for answers that are being written from it
            _forget_in_audit(session, {erasure.document, erasure.address}, erasure.id)
        settle_curated(session)
        return {name: number for name, number in counts.items() if number}

    def _mark(self, session: Session, erasure: Erasure) -> Marks:
        salt = session.scalar(select(ErasureRow.salt).limit(1)) or secrets.token_hex(16)
        certain = erasure.names - bare_names(erasure.names).keys()
        names = {*certain, *([f"{erasure.department} {erasure.address}"] if erasure.document else [])}
        marks = Marks.of(salt, names=names, texts=erasure.texts, kept=_kept(session, erasure))
        session.add(ErasureRow(id=erasure.id, kind=erasure.kind, salt=salt, marks=marks.to_json()))
        return marks

    def _search(self, contains: Callable[[str], bool]) -> Iterator[Trace]:
        return search(self._store, [Base.metadata, *self._tables()], self._folders, contains, apart=self._apart)

    def _compact(self) -> None:
        """Overwrite what SQLite keeps of deleted rows in its file and its write-ahead log."""
        if not self._store.is_sqlite:
            return
        connection = self._store.engine.raw_connection()
        try:
            connection.cursor().execute("VACUUM")
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except Exception as error:  # noqa: BLE001 - the driver's own errors; the rows are deleted either way
            log.warning("database_not_compacted", problem=type(error).__name__)
        finally:
            connection.close()


def _known(session: Session, person: str) -> bool:
    """Return whether anything in the database is the person's."""
    if session.get(PersonRow, person) is not None:
        return True
    tables = (QuestionRow, VoteRow, VoteEventRow, CorrectionRow)
    if any(session.scalar(select(table.person_id).where(table.person_id == person).limit(1)) for table in tables):
        return True
    return bool(quoted.in_questions(session, person) or quoted.in_histories(session, person))


def _questions_of(session: Session, person: str) -> set[str]:
    """Return the ids of the questions that the person asked, and of those that repeat the person's words."""
    asked = session.scalars(select(QuestionRow.id).where(QuestionRow.person_id == person))
    return {*asked, *(row.id for row in quoted.in_questions(session, person))}


def _answers_to(session: Session, questions: Collection[str]) -> set[str]:
    return set(session.scalars(select(AnswerRow.id).where(AnswerRow.question_id.in_(questions))))


def _about(session: Session, table: Any, person: str) -> Iterable[str]:
    found: Iterable[str] = session.scalars(select(table.answer_id).where(table.person_id == person))
    return found


def _said(session: Session, person: str) -> Iterator[str]:
    """Yield what the person wrote."""
    columns: tuple[tuple[Any, Any], ...] = (
        (QuestionRow.text, QuestionRow.person_id),
        (ThreadTitleRow.title, ThreadTitleRow.person_id),
        (CorrectionRow.text, CorrectionRow.person_id),
        (CuratedVersionRow.text, CuratedVersionRow.person_id),
        (VoteRow.comment, VoteRow.person_id),
        (VoteEventRow.comment, VoteEventRow.person_id),
        (EscalationRow.reply, EscalationRow.resolved_by),
        (RejectionRow.reason, RejectionRow.person_id),
    )
    for text, by in columns:
        yield from filter(None, session.scalars(select(text).where(by == person)))
    yield from quoted.texts(session, person)


def _with_repeated(session: Session, answers: set[str], person: str = "") -> set[str]:
    """Return the answers, and those that repeat a curated answer which goes with them or is the person's, and so on."""
    own = CuratedVersionRow.person_id == person if person else None
    while True:
        goes = CorrectionRow.answer_id.in_(answers)
        version = select(CuratedVersionRow.curated_id)
        curated = version.outerjoin(CorrectionRow, CorrectionRow.id == CuratedVersionRow.correction_id)
        ids = set(session.scalars(curated.where(goes if own is None else or_(goes, own))))
        more = set(_naming(session, ids)) - answers
        if not more:
            return answers
        answers = answers | more


def _resting_on(session: Session, department: str, names: Collection[str]) -> set[str]:
    """Return the department's answers whose sources or provenance name a document or one of its chunks."""
    rows = session.scalars(select(AnswerRow).where(AnswerRow.department == department).execution_options(yield_per=500))
    columns = [column.key for column in AnswerRow.__table__.columns if isinstance(column.type, JSON)]
    wanted = set(names)
    return {row.id for row in rows if any(not wanted.isdisjoint(texts_in(getattr(row, column))) for column in columns)}


def _naming(session: Session, curated: Collection[str]) -> Iterable[str]:
    if not curated:
        return ()
    repeated = select(AnswerRow).where(cast(AnswerRow.provenance, Text).contains('"curated"'))
    return [row.id for row in session.scalars(repeated) if not _curated_in(row.provenance).isdisjoint(curated)]


def _curated_in(provenance: Mapping[str, Any]) -> set[str]:
    """Return the curated answers that an answer repeats or suggests."""
    return {provenance.get("curated") or "", (provenance.get("suggestion") or {}).get("curated", "")} - {""}


def _delete_deliveries(session: Session, ids: Collection[str], names: frozenset[str]) -> int:
    """Delete what was received or is to be sent that names the person, or a question or answer that goes."""
    number = 0
    tables: tuple[type[InboxRow | OutboxRow], ...] = (InboxRow, OutboxRow)
    for table in tables:
        for row in session.scalars(select(table).execution_options(yield_per=500)):
            values = [getattr(row, column.key) for column in table.__table__.columns]
            texts = [text for value in values for text in texts_in(value)]
            theirs = names - elsewhere(names, texts)
            if any(_mentions(text, ids, theirs) for text in texts):
                session.delete(row)
                number += 1
    return number


def _mentions(text: str, ids: Collection[str], names: frozenset[str]) -> bool:
    """Return whether a text contains one of the ids, or one of the names that isn't part of somebody else's."""
    if text in names or any(each in text for each in ids):
        return True
    long = frozenset(name for name in names if len(name) >= LONG_NAME)
    return bool(replaced(text, long, "") != text)


def _forget_in_audit(session: Session, names: Collection[str], stand_in: str) -> None:
    for row in session.scalars(select(AuditRow)):
        row.subject = stand_in if row.subject in names else row.subject
        row.detail = replaced(row.detail, frozenset(names), stand_in)


def _kept(session: Session, erasure: Erasure) -> Iterator[str]:
    """Yield the texts that stay. What they say too isn't a trace of what was erased."""
    for content in session.scalars(select(DocumentRow.content)):
        yield from (section.get("text", "") for section in content.get("sections", ()))
    if erasure.person:
        for column in (QuestionRow.text, AnswerRow.text, CorrectionRow.text):
            yield from session.scalars(select(column))


def _pointing_to_nothing(session: Session) -> Iterator[str]:
    missing: tuple[tuple[str, Any, ColumnElement[bool]], ...] = (
        ("a dataset row", DatasetRowRow.answer_id, ~DatasetRowRow.answer_id.in_(select(AnswerRow.id))),
        ("a held-out question", HeldOutRow.answer_id, ~HeldOutRow.answer_id.in_(select(AnswerRow.id))),
    )
    for what, column, condition in missing:
        for answer_id in sorted(set(session.scalars(select(column).where(column.is_not(None), condition)))):
            yield f"{what} of answer {answer_id}, which is gone"


def _count(session: Session, statement: Any) -> int:
    return int(getattr(session.execute(statement), "rowcount", 0))


def _add(counts: dict[str, int], more: Any) -> None:
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number
