"""What the fake knows of its workspace: user groups, channels shared with other companies, reactions, deletions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.slack.testing.web_api.surfaces import SurfaceRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from plugins.slack.testing.wire import Post


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji that the app put on a message."""

    channel: str
    ts: str
    name: str


def direct_channel(user: str) -> str:
    """Return the direct conversation of a person with the app: ``D1`` is that of ``U1``."""
    return f"D{user[1:]}"


class Workspace:
    """State of the workspace, and the Web API methods that tell or change it.

    ``groups`` holds the members of user groups by id; ``shared`` the channels that another company reads.

    :param posts: the messages of the workspace.
    :param find: returns one of them by channel and ``ts``, or refuses as Slack does.
    """

    def __init__(self, posts: list[Post], find: Callable[[str, str], Post]) -> None:
        self.groups: dict[str, set[str]] = {}
        self.shared: set[str] = set()
        self.reactions: list[Reaction] = []
        self._posts = posts
        self._find = find

    @property
    def methods(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """The methods by name."""
        return {
            "chat.delete": self._delete,
            "chat.getPermalink": self._permalink,
            "conversations.info": self._info,
            "conversations.open": self._open,
            "reactions.add": self._react,
            "usergroups.users.list": self._members,
        }

    def _members(self, arguments: dict[str, Any]) -> dict[str, Any]:
        group = arguments["usergroup"]
        if group not in self.groups:
            raise SurfaceRefusedError("no_such_subteam")
        return {"users": sorted(self.groups[group])}

    def _info(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = arguments["channel"]
        shared = channel in self.shared
        told = {"id": channel, "name": channel.lower(), "is_channel": channel.startswith("C")}
        told |= {"is_im": channel.startswith("D"), "is_shared": shared, "is_ext_shared": shared}
        return {"channel": {**told, "is_org_shared": False, "is_pending_ext_shared": False}}

    def _open(self, arguments: dict[str, Any]) -> dict[str, Any]:
        user = str(arguments["users"])
        if not user.startswith(("U", "W")) or "," in user:
            raise SurfaceRefusedError("user_not_found")
        return {"channel": {"id": direct_channel(user)}}

    def _permalink(self, arguments: dict[str, Any]) -> dict[str, Any]:
        post = self._find(arguments["channel"], arguments["message_ts"])
        link = f"https://fake.slack.com/archives/{post.channel}/p{post.ts.replace('.', '')}"
        thread = f"?thread_ts={post.thread_ts}&cid={post.channel}" if post.thread_ts else ""
        return {"channel": post.channel, "permalink": link + thread}

    def _react(self, arguments: dict[str, Any]) -> dict[str, Any]:
        reaction = Reaction(arguments["channel"], arguments["timestamp"], arguments["name"])
        self._find(reaction.channel, reaction.ts)
        if reaction in self.reactions:
            raise SurfaceRefusedError("already_reacted")
        self.reactions.append(reaction)
        return {}

    def _delete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        post = self._find(arguments["channel"], arguments["ts"])
        if not post.bot_id or post.streaming:
            raise SurfaceRefusedError("cant_delete_message")  # a bot may delete its own messages only, and whole ones
        self._posts.remove(post)
        return {"channel": post.channel, "ts": post.ts}
