"""The plugins Mentee brings. They use the hooks of :mod:`bot.hookspecs` and nothing a third party could not use."""
