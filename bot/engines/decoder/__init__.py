"""A decoder of our own for Llama-shaped models: rows of any adapters, prompts and guesses together in one pass.

:mod:`~bot.engines.decoder.shape` takes a transformers model apart; :mod:`~bot.engines.decoder.native` (int8, compiled)
and :mod:`~bot.engines.decoder.tensors` (PyTorch) compute; :mod:`~bot.engines.decoder.pages` keeps keys and values and
finds those of prompts read before; :mod:`~bot.engines.decoder.lookup` guesses.
"""
