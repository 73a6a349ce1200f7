"""The commands of ``mentee``, one module per noun. Plugins add theirs by the ``register_commands`` hook."""
