"""The plugins Mentee brings. They use the hooks of :mod:`bot.hooks.specs` and nothing a third party could not use."""
