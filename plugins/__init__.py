"""The plugins that come with Mentee. They use the hooks of :mod:`bot.hooks.specs` and nothing that others can't use."""
