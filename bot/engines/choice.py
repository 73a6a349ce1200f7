"""The next token from a row of logits."""

from __future__ import annotations

import torch


@torch.inference_mode()
def keep_reserved(logits: torch.Tensor, reserved: tuple[int, float]) -> None:
    """Rule out a token, in place, that is less likely than its chance; ``logits`` has the shape ``(vocabulary,)``."""
    token, chance = reserved
    logits[token].masked_fill_(torch.softmax(logits, dim=-1)[token] < chance, -torch.inf)


class Chooser:
    """Chooses an answer's tokens: the likeliest, or drawn at a temperature above 0 from the answer's own seed."""

    def __init__(self, temperature: float, seed: int) -> None:
        self._temperature = temperature
        # One for each answer and always on the CPU: the same request draws the same numbers alone and in any batch.
        self._random = torch.Generator().manual_seed(seed) if temperature > 0 else None

    def __call__(self, logits: torch.Tensor) -> int:
        """Return the next token, given finite logits of shape ``(vocabulary,)``."""
        if self._random is None:
            return int(logits.argmax())
        chances = torch.softmax(logits.cpu() / self._temperature, dim=-1)
        return int(torch.multinomial(chances, 1, generator=self._random))
