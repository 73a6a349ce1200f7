"""How the plugin is put together: every part is made here and given what it needs."""
