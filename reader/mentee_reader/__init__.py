"""The reader: the adapter that departments on the embedded model start with. It teaches the model to quote passages."""

from __future__ import annotations

import json
from pathlib import Path

from bot import Instance, hookimpl

ADAPTER = Path(__file__).parent / "adapter"
"""The adapter as it is shipped; its ``README.md`` is the model card."""


@hookimpl
def start_department(instance: Instance, department: str) -> None:
    """Make the reader a new department's champion, with the settings it was trained for."""
    card = ADAPTER / "card.json"
    if not card.is_file():
        return  # `make reader` is making it
    facts = json.loads(card.read_text(encoding="utf-8"))
    model = instance.settings.model
    if (model.engine, model.name) != ("local", facts["base_model"]):
        return
    registry = instance.adapter_registry
    version = registry.publish(ADAPTER, department)
    registry.promote(department, version, actor="mentee-reader", reason="every department starts with the reader")
    answers = {f"answers.{name}": value for name, value in facts["answers"].items()}
    instance.departments.configure(department, answers, actor="mentee-reader")
