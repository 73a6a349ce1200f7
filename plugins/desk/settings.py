"""What a department can set for its desk."""

from __future__ import annotations

from pydantic import BaseModel, Field

MOST_MINUTES = 240


class DeskSettings(BaseModel):
    """Settings of the desk."""

    claim_minutes: int = Field(
        10,
        ge=1,
        le=MOST_MINUTES,
        description="Minutes for which an agent holds the item that they opened, counted from when they last typed.",
    )
    sampled_per_week: int = Field(
        10, ge=0, le=200, description="Answers of each week that are drawn at random for agents to rate; 0 draws none."
    )
    raters: int = Field(1, ge=1, le=5, description="Agents who rate each such answer, not seeing each other's grades.")
