"""A recipe: which data, how much of each, and the numbers of the training. One TOML file, ``recipes/reader.toml``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.domain.errors import InputFileError

if TYPE_CHECKING:
    from pathlib import Path


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Handbook(_Section):
    """Questions about the demo handbook, answered from passages that the served retrieval finds for them."""

    files: tuple[str, ...] = Field(description="JSON lines, relative to the data folder or to the recipe.")
    held_out_pages: tuple[str, ...] = Field(description="Pages whose questions are kept for calibration.")


class Grounded(_Section):
    """Open questions over passages of many subjects."""

    file: str
    longest: int = Field(ge=80, description="Characters of the longest passage that is used.")


class Asking(_Section):
    """How questions and passages are put together in the served prompt."""

    passages: int = Field(ge=1, description="Most passages in a prompt.")
    questions: int = Field(ge=1, description="Most questions asked of the same passages.")
    refusals: float = Field(ge=0, lt=1, description="Share of unanswerable questions, where a source has so many.")
    missing: float = Field(
        ge=0, lt=1, description="Share of the others that are asked without the passage that answers, to be refused."
    )
    beside: float = Field(
        0, ge=0, description="With one passage: near passages of which each question is asked, too, on average."
    )
    answer_chars: int = Field(ge=0, description="Characters of passage in an answer; 0 says it as the row has it.")


class Training(_Section):
    """Numbers of a training, as in :class:`tuning.training.job.TrainJob`."""

    lora_rank: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=2)
    max_steps: int = Field(ge=0, description="Steps on a GPU; 0: all rows.")
    cpu_steps: int = Field(ge=0, description="Steps without one, an hour on 2 cores; 0: all rows.")
    max_tokens: int = Field(ge=64)
    max_answer_tokens: int = Field(ge=1)


class Stage(_Section):
    """One dataset and one training, which goes on from the adapter of the stage before."""

    name: str
    times_asked: float = Field(
        1.0,
        gt=0,
        description="How often a handbook question is asked, beside other passages each time.",
    )
    grounded: dict[str, int] = Field(description="Passages per source; every question about one comes with it.")
    asking: Asking
    training: Training


class Recipe(_Section):
    """Everything that decides the reader beside the code and the data itself."""

    name: str
    base_model: str
    seed: int
    data: str = Field(description="Folder of the data, relative to the repository; `--data` names another.")
    answers: dict[str, int | float] = Field(description="Settings `answers.*` of a department that starts with it.")
    handbook: Handbook
    grounded: Grounded
    stages: tuple[Stage, ...] = Field(min_length=1)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    :raises InputFileError: it is missing, no TOML, or a value is missing, unknown or out of range.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise InputFileError(
            f"Can't use the recipe {path}: {error}", hint="Compare it with recipes/reader.toml of the repository."
        ) from error
