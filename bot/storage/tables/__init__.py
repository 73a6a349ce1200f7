"""The tables, by noun. Rules live here, in constraints and unique indexes; Python only reports them."""

from bot.storage.tables import access, actions, answers, clock, delivery, documents, feedback, plugins, training
from bot.storage.tables.base import Base

__all__ = ["Base", "access", "actions", "answers", "clock", "delivery", "documents", "feedback", "plugins", "training"]
