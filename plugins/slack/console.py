"""Slack's box on the operators' page."""

from __future__ import annotations

from bot.domain.ports import ConsolePanel

TRAINING = ConsolePanel(
    "Slack and training",
    "<p>Rounds learn from a Slack channel only where <code>train_eligible</code> is true, for that channel or for all "
    "internal channels in <code>[slack]</code>. They never learn from direct messages.</p>"
    "<p>It is off by default: the terms of Slack’s API restrict training on the data it delivers. Make your own legal "
    "check first, and tell the people who write there.</p>"
    "<p>To turn it on for a channel: <code>mentee slack channel set C… train_eligible=true</code></p>",
)
