"""The one ``context`` that a hook can name: what the plugin may use of Mentee. Each part is made when first used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from bot.domain.people import Audience
    from bot.hooks.context.http_client import PluginHttp
    from bot.hooks.context.metrics import PluginMetrics
    from bot.hooks.context.model import PluginModel
    from bot.hooks.context.retriever import PluginRetriever
    from bot.hooks.context.sign_in import SignIn
    from bot.hooks.context.storage import PluginStorage
    from bot.hooks.instance import Instance
    from bot.storage.session import Store


@dataclass(frozen=True, slots=True)
class ContextParts:
    """What the contexts of an instance are made with; each part when a plugin first uses it."""

    instance: Callable[[], Instance]
    http: Callable[[str], PluginHttp]
    model: Callable[[str, str | None], PluginModel]


class PluginContext:
    """What your plugin can use of Mentee. Name the parameter ``context`` in any hook that has it.

    It stays usable after the call, for example in your routes. A context that a ``register_…`` hook got has no
    department.

    - ``plugin``, ``department``: your plugin's name, and the department of the call or ``None``
    - ``departments``, ``of("it")``: the departments in which your plugin is on, and the context for one of them
    - ``settings``: your plugin's settings as they are now
    - ``log``: a structlog logger that names your plugin and the department
    - ``instance``: the running instance, a :class:`bot.Instance`
    - ``store``: sessions on the database, for your own tables
    - ``storage``: values by key, without a table of your own
    - ``http``: HTTP requests within limits
    - ``model``: generate text with the model, such as a summary, within limits
    - ``retriever``: search with the permissions of whoever will see the result
    - ``metrics``: counters, gauges and histograms at ``/metrics``
    - ``sign_in``: who sent a request to your routes, and whether they may
    """

    def __init__(
        self,
        parts: ContextParts,
        plugin: str,
        department: str | None,
        settings: Callable[[str | None], Any],
        audience: Audience | None = None,
    ) -> None:
        self.plugin = plugin
        self.department = department
        self._parts = parts
        self._settings = settings
        self._audience = audience

    def __repr__(self) -> str:
        return f"PluginContext({self.plugin!r}, {self.department!r})"

    @property
    def settings(self) -> Any:
        """The settings of your plugin for the department, as they are now; ``None`` if it declares none.

        :raises SettingsError: a value that was stored no longer fits your model.
        """
        return self._settings(self.department)

    @property
    def departments(self) -> list[str]:
        """The names of the departments in which your plugin is on now. Blocking: asks the database."""
        instance = self._parts.instance()
        enabled = instance.plugins.states.enabled
        return [name for name in instance.departments.names() if enabled(self.plugin, name)]

    def of(self, department: str | None) -> PluginContext:
        """Return a context for a department, or (``None``) for the whole instance. It has no question."""
        return PluginContext(self._parts, self.plugin, department, self._settings)

    @property
    def instance(self) -> Instance:
        """The running instance."""
        return self._parts.instance()

    @property
    def store(self) -> Store:
        """Sessions on the database: ``with context.store.write() as session: …``."""
        return self._parts.instance().store

    @cached_property
    def log(self) -> BoundLogger:
        """A logger. Secrets and what people wrote are masked, as in Mentee's own lines."""
        logger: BoundLogger = structlog.get_logger(f"mentee.plugins.{self.plugin}")
        return logger.bind(plugin=self.plugin, department=self.department)

    @cached_property
    def storage(self) -> PluginStorage:
        """The plugin's values in the department, or those of the whole instance in a call without one."""
        from bot.hooks.context.storage import PluginStorage

        return PluginStorage(self.store, self.plugin, self.department)

    @cached_property
    def http(self) -> PluginHttp:
        """Sends HTTP requests within limits of time, size and addresses."""
        return self._parts.http(self.plugin)

    @cached_property
    def model(self) -> PluginModel:
        """Generates text with the instance's model."""
        return self._parts.model(self.plugin, self.department)

    @cached_property
    def retriever(self) -> PluginRetriever:
        """Searches the department."""
        from bot.hooks.context.retriever import PluginRetriever

        return PluginRetriever(self._parts.instance, self.department, self._audience)

    @cached_property
    def metrics(self) -> PluginMetrics:
        """Declares metrics."""
        from bot.hooks.context.metrics import PluginMetrics

        return PluginMetrics(self.plugin)

    @cached_property
    def sign_in(self) -> SignIn:
        """Says who sent a request."""
        from bot.hooks.context.sign_in import SignIn

        return SignIn(self._parts.instance)
