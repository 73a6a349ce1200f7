"""Fits the classifier of :mod:`bot.feedback.sameness`, and counts how right it is."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from bot.feedback.sameness.comparing import FARTHEST, describe, spelt_pairs, weights_from
from bot.feedback.sameness.differences import DECISIVE
from bot.feedback.sameness.features import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recipes.sameness.pairs import Pair
    from retrieval.embed import SentenceEmbedder

FOLDS = 6
NETWORKS, UNITS, STEPS = 5, 8, 300
DECAY, PENALTY = 0.1, 0.002
FILLED = 0.25
"""What a pair with filled slots counts. This and the constants above were chosen by cross-validation on the half to
tune on."""

SEED = 0
DIGITS = 3


@dataclass(frozen=True, slots=True)
class Described:
    """Pairs as the classifier sees them.

    :param plain: whether the rules leave it to the classifier.
    """

    pairs: tuple[Pair, ...]
    features: NDArray[np.float64]
    same: NDArray[np.bool_]
    plain: NDArray[np.bool_]


def described(pairs: Sequence[Pair], embedder: SentenceEmbedder) -> Described:
    """Return the features of pairs."""
    texts = sorted({text for pair in pairs for text in (pair.first, pair.second)})
    vectors = dict(zip(texts, embedder.encode(texts), strict=True))
    spelt = spelt_pairs([(pair.first, pair.second) for pair in pairs], embedder.encode_tokens)
    rows, plain = [], []
    for pair, each in zip(pairs, spelt, strict=True):
        found, seen = describe(each, float(vectors[pair.first] @ vectors[pair.second]))
        rows.append(found)
        plain.append(not any(difference.contradicts or difference.kind in DECISIVE for difference in seen))
    same = np.array([pair.same for pair in pairs])
    return Described(tuple(pairs), np.array(rows), same, np.array(plain))


def fit(data: Described) -> dict[str, Any]:
    """Return the weights, as they are stored, from the pairs that the rules leave to the classifier."""
    rows, same = data.features[data.plain], data.same[data.plain]
    counts = np.array([FILLED if pair.source == "slots" else 1.0 for pair in data.pairs])[data.plain]
    mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-3)
    inputs = np.clip((rows - mean) / scale, -FARTHEST, FARTHEST)
    parts = {"mean": mean, "scale": scale, **_networks(inputs, same, counts)}
    return {"features": [*NAMES], **{name: np.round(part, DIGITS).tolist() for name, part in parts.items()}}


def _networks(
    inputs: NDArray[np.float64], same: NDArray[np.bool_], counts: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Fit all networks at once on all rows, with AdamW (Loshchilov and Hutter 2019) and a penalty on large weights."""
    chooser = torch.Generator().manual_seed(SEED)
    rows, target, count = (torch.tensor(each, dtype=torch.float32) for each in (inputs, same, counts))
    hidden = torch.randn(NETWORKS, rows.shape[1], UNITS, generator=chooser) * 0.15
    output = torch.randn(NETWORKS, UNITS, 1, generator=chooser) * 0.3
    bias, constant = torch.zeros(NETWORKS, 1, UNITS), torch.zeros(NETWORKS, 1, 1)
    parts = [part.requires_grad_() for part in (hidden, bias, output, constant)]
    optimizer = torch.optim.AdamW(parts, lr=0.01, weight_decay=DECAY)
    for _ in range(STEPS):
        logits = (torch.tanh(rows @ hidden + bias) @ output + constant)[..., 0]
        losses = binary_cross_entropy_with_logits(logits, target.expand(NETWORKS, -1), reduction="none")
        penalty = PENALTY * ((hidden**2).sum() + (output**2).sum()) / NETWORKS
        optimizer.zero_grad()
        ((losses * count).mean() + penalty).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    hidden, bias, output, constant = (part.detach().double() for part in parts)
    found = {"hidden": hidden, "bias": bias[:, 0], "output": output[..., 0], "constant": constant[:, 0, 0]}
    return {name: part.numpy() for name, part in found.items()}


def cross_validated(data: Described) -> NDArray[np.float64]:
    """Return the probability of each pair by weights fitted without its intent; 0 if the rules see a difference."""
    found = np.zeros(len(data.pairs))
    rows = np.flatnonzero(data.plain)
    intents = sorted({pair.intent for pair in data.pairs})
    random.Random(SEED).shuffle(intents)  # noqa: S311 - an order, not a secret
    fold_of = {intent: number % FOLDS for number, intent in enumerate(intents)}
    folds = np.array([fold_of[data.pairs[row].intent] for row in rows])
    for fold in range(FOLDS):
        part, left = rows[folds != fold], rows[folds == fold]
        others = tuple(data.pairs[row] for row in part)
        weights = fit(Described(others, data.features[part], data.same[part], data.plain[part]))
        found[left] = probabilities(weights, data.features[left])
    return found


def probabilities(stored: dict[str, Any], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each row of features."""
    weights = weights_from({"embedder": "", **stored})
    return np.array([weights.probability(row) for row in rows])


def wilson(hits: int, number: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson 1927)."""
    if not number:
        return 0.0, 1.0
    share, spread = hits / number, z * z / number
    half = z * np.sqrt(share * (1 - share) / number + spread / (4 * number))
    return float((share + spread / 2 - half) / (1 + spread)), float((share + spread / 2 + half) / (1 + spread))
