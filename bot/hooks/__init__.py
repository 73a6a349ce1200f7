"""The plugin system: every hook, the host that calls them, and which plugins are on."""
