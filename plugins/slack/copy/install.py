"""What an administrator reads in the browser while installing the app in a workspace."""

from __future__ import annotations


def installed(workspace: str) -> str:
    """The end of an installation."""
    return f"Mentee is installed in {workspace}."


def what_next() -> str:
    """What to do with it."""
    return "You can close this page. In Slack, invite Mentee to a channel or write to it directly."


def not_installed(reason: str) -> str:
    """An installation that came to nothing; ``reason`` is Slack's or Bolt's own name of it."""
    why = {"access_denied": "it was cancelled", "invalid_browser": "another browser started it"}
    return f"Mentee was not installed: {why.get(reason, reason.replace('_', ' '))}."


def start_again() -> str:
    """What to do after a failure."""
    return "Start again at /slack/install, and finish within ten minutes in the same browser."


def not_allowed(team: str) -> str:
    """A workspace that no operator has named."""
    return f"Mentee was not installed: the workspace {team} is not on the list."


def how_to_allow(team: str) -> str:
    """What its operator does about it."""
    return f'An operator must add "{team}" to slack.workspaces in mentee.toml and restart Mentee.'
