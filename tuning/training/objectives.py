"""What a round minimises: supervised loss on right answers, and KTO on thumbs.

Everything here takes plain tensors and knows no model, so that it can be read beside the papers and tested against
another implementation. Shapes: ``B`` rows, ``T`` token positions, ``V`` vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody reads it by

IGNORED = -100
"""Label of a position that is not learned: the prompt and the padding."""

HIGHEST_RATIO = 4 / 3
"""KTO wants ``(weight_up * up) / (weight_down * down)`` between 1 and this (arXiv 2402.01306, section 4.2)."""


def token_log_probs(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of each label, 0 where it is :data:`IGNORED`; float32, shape ``(B, T)``.

    :param logits: shape ``(B, T, V)``, where position ``t`` predicts ``labels[:, t]`` (shifted by the caller).
    """
    learned = labels != IGNORED
    chosen = -F.cross_entropy(logits[learned].float(), labels[learned], reduction="none")
    return torch.zeros(labels.shape, dtype=chosen.dtype, device=chosen.device).masked_scatter(learned, chosen)


def sft_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, *, total: float | None = None
) -> torch.Tensor:
    """Return the mean negative log-likelihood of the labels, each token counting as much as its row's weight.

    :param weights: shape ``(B,)``; a row that people disagreed about weighs less.
    :param total: weighted tokens of the whole batch when the rows given are a part of it, so that the parts' losses
        add up to the batch's.
    """
    log_probs = token_log_probs(logits, labels)
    whole = total if total is not None else float(weighted_tokens(labels, weights))
    return -(log_probs * weights[:, None]).sum() / whole


def weighted_tokens(labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the sum of the rows' weights over every learned token."""
    return ((labels != IGNORED).sum(dim=1) * weights).sum()


def kto_kl(policy: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Estimate KL(policy ‖ reference), the point from which KTO measures gain and loss; never negative, no gradient.

    Both are the log-probabilities of *mismatched* completions, each prompt with its neighbour's answer, shape ``(B,)``.
    Answers that belong to other prompts keep the estimate from rising with the reward itself.
    """
    return (policy - reference).mean().detach().clamp(min=0)


def kto_loss(  # noqa: PLR0913 - the terms of equation 7 and 8 of the paper
    policy: torch.Tensor,
    reference: torch.Tensor,
    desirable: torch.Tensor,
    kl: torch.Tensor,
    *,
    beta: float,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> torch.Tensor:
    """Return each row's KTO loss (Ethayarajh et al., arXiv 2402.01306, equations 7 and 8), shape ``(B,)``.

    :param policy: log-probability of the whole completion under the model in training, shape ``(B,)``.
    :param reference: the same under the frozen reference.
    :param desirable: true for 👍, shape ``(B,)``.
    :param kl: from :func:`kto_kl`.
    :param beta: how far the policy may move away from the reference; larger is less far.
    """
    reward = policy - reference
    gain = torch.sigmoid(beta * (reward - kl))
    loss = torch.sigmoid(beta * (kl - reward))
    return torch.where(desirable, desirable_weight * (1 - gain), undesirable_weight * (1 - loss))


def kto_weights(desirable: int, undesirable: int) -> tuple[float, float]:
    """Return the weights (desirable, undesirable) that bring the two sides into the ratio KTO wants.

    Only the larger side is changed, downwards: raising the smaller one makes single thumbs count many times.
    """
    if not desirable or not undesirable:
        return 1.0, 1.0
    ratio = desirable / undesirable
    if ratio < 1:
        return 1.0, ratio
    return min(1.0, HIGHEST_RATIO / ratio), 1.0
