"""Choosing the next token from logits."""

from __future__ import annotations

import torch


@torch.inference_mode()
def mask_reserved(logits: torch.Tensor, reserved: tuple[int, float]) -> None:
    """Rule out a token, in place, whose probability is below its threshold; ``logits`` has shape ``(vocabulary,)``."""
    token, threshold = reserved
    logits[token].masked_fill_(torch.softmax(logits, dim=-1)[token] < threshold, -torch.inf)


class Sampler:
    """Chooses an answer's tokens: greedily, or at random from its own seed if the temperature is above 0."""

    def __init__(self, temperature: float, seed: int) -> None:
        self._temperature = temperature
        # One per answer and always on the CPU: the same request draws the same numbers alone and in any batch.
        self._random = torch.Generator().manual_seed(seed) if temperature > 0 else None

    def __call__(self, logits: torch.Tensor) -> int:
        """Return the next token, given finite logits of shape ``(vocabulary,)``."""
        if self._random is None:
            return int(logits.argmax())
        probabilities = torch.softmax(logits.cpu() / self._temperature, dim=-1)
        return int(torch.multinomial(probabilities, 1, generator=self._random))
