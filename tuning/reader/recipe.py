"""A recipe: which data, how much of each, and the numbers of the training. One TOML file, ``recipes/reader.toml``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import InputFileError

if TYPE_CHECKING:
    from pathlib import Path


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Handbook(_Section):
    """Questions about the demo handbook, answered from passages that the served retrieval finds for them."""

    files: tuple[str, ...] = Field(description="JSON lines, relative to the data folder or to the recipe.")
    held_out_pages: tuple[str, ...] = Field(description="Pages whose questions are kept for calibration.")
    times_asked: float = Field(
        gt=0, description="How often a question is asked on average, over other passages each time."
    )
    refusals: float = Field(ge=0, le=1, description="Share of rows without an answer that are added from misses.")


class Grounded(_Section):
    """Open questions over passages of many subjects: how many passages to draw from each source."""

    file: str
    passages: dict[str, int] = Field(description="Passages per source; every question about a passage comes with it.")
    longest: int = Field(ge=80, description="Characters of the longest passage that is used.")


class Prompted(_Section):
    """How rows are put into the served prompt."""

    passages: int = Field(ge=1, description="Most passages in a prompt.")
    questions: int = Field(ge=1, description="Most questions asked of the same passages.")


class Training(_Section):
    """Numbers of the training, as in :class:`tuning.job.TrainJob`."""

    lora_rank: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    batch_size: int = Field(ge=2)
    max_steps: int = Field(ge=0)
    max_tokens: int = Field(ge=64)
    max_answer_tokens: int = Field(ge=1)


class Recipe(_Section):
    """Everything that decides the reader beside the code and the data itself."""

    name: str
    base_model: str
    seed: int
    data: str = Field(description="Folder of the data, relative to the repository; `--data` names another.")
    handbook: Handbook
    grounded: Grounded
    prompt: Prompted
    training: Training


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    :raises InputFileError: it is missing, no TOML, or a value is missing, unknown or out of range.
    """
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise InputFileError(
            f"The recipe {path} cannot be used: {error}", hint="Compare it with recipes/reader.toml of the repository."
        ) from error
