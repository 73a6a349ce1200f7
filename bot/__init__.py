"""Mentee's public API for plugin authors: the hook decorator, and the values and protocols that flow through hooks.

Import from here and from :mod:`bot.testing`; every other module may change between versions.
"""

from typing import TYPE_CHECKING, Any

from bot.config.core import SettingsSection
from bot.config.sections import read_section
from bot.domain.answers import (
    Answer,
    AnswerEvent,
    AnswerSource,
    Citation,
    DirectAnswer,
    Done,
    Failed,
    Provenance,
    RecordedQuestion,
    Status,
    TextDelta,
    Verdict,
)
from bot.domain.deliveries import InboxItem, OutboxItem
from bot.domain.departments import DepartmentSpec
from bot.domain.documents.blocks import Block, Code, Image, Item, Paragraph, Quote, Span, Table, paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection, Readers, SourceDocument
from bot.domain.errors import (
    ArtifactError,
    BusyError,
    DocumentError,
    EngineError,
    FetchError,
    ForbiddenError,
    MenteeError,
    NotFoundError,
    PluginError,
    SettingsError,
    UnreadableError,
)
from bot.domain.feedback import Correction, Vote
from bot.domain.generation import AdapterRef, EngineInfo, GenerationRequest, Refusal
from bot.domain.people import EVERYONE, Audience, Basis, Person, Role, Scope
from bot.domain.plugins.actions import Action, ActionResult
from bot.domain.plugins.jobs import Job
from bot.domain.ports import (
    AdapterRegistry,
    Channel,
    ConsolePanel,
    Engine,
    LiveChannel,
    Parser,
    Retriever,
    Service,
    Source,
    WebRoutes,
)
from bot.domain.questions import Attachment, ChatMessage, Passage, Question, Turn
from bot.domain.training import RoundFinished, TrainingExample
from bot.hooks.context.plugin_context import PluginContext
from bot.hooks.instance import Instance
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from bot.access.audit import note_change
    from bot.storage.migrate import PluginTables
    from bot.storage.tables.base import COLUMN_TYPES

__all__ = [
    "COLUMN_TYPES",
    "EVERYONE",
    "Action",
    "ActionResult",
    "AdapterRef",
    "AdapterRegistry",
    "Answer",
    "AnswerEvent",
    "AnswerSource",
    "ArtifactError",
    "Attachment",
    "Audience",
    "Basis",
    "Block",
    "BusyError",
    "Channel",
    "ChatMessage",
    "Citation",
    "Code",
    "ConsolePanel",
    "Correction",
    "DepartmentSpec",
    "DirectAnswer",
    "DocumentError",
    "Done",
    "Engine",
    "EngineError",
    "EngineInfo",
    "Failed",
    "FetchError",
    "ForbiddenError",
    "GenerationRequest",
    "Image",
    "InboxItem",
    "Instance",
    "Item",
    "Job",
    "LiveChannel",
    "MenteeError",
    "NotFoundError",
    "OutboxItem",
    "Paragraph",
    "ParsedDocument",
    "ParsedSection",
    "Parser",
    "Passage",
    "Person",
    "PluginContext",
    "PluginError",
    "PluginTables",
    "Provenance",
    "Question",
    "Quote",
    "Readers",
    "RecordedQuestion",
    "Refusal",
    "Retriever",
    "Role",
    "RoundFinished",
    "Scope",
    "Service",
    "SettingsError",
    "SettingsSection",
    "Source",
    "SourceDocument",
    "Span",
    "Status",
    "Table",
    "TextDelta",
    "TrainingExample",
    "Turn",
    "UnreadableError",
    "Verdict",
    "Vote",
    "WebRoutes",
    "hookimpl",
    "note_change",
    "paragraphs",
    "read_section",
]


def __getattr__(name: str) -> Any:
    """Import on first use what needs the database's libraries: a process that parses documents has no use for them."""
    if name == "PluginTables":
        from bot.storage.migrate import PluginTables

        return PluginTables
    if name == "note_change":
        from bot.access.audit import note_change

        return note_change
    if name == "COLUMN_TYPES":
        from bot.storage.tables.base import COLUMN_TYPES

        return COLUMN_TYPES
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
