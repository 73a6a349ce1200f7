"""The report's plots, as inline SVG: no script, no other host, readable in light and dark."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INK = "#5b6472"
GRID = "#8a94a326"
BLUE = "#3b6ef5"
GREEN = "#1f9d63"
RED = "#d6455d"
GREY = "#8a94a3"
PHASES = {"sft": (BLUE, "supervised"), "kto": ("#8a5cf0", "preference (KTO)")}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mentee",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def loss_curves(metrics: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Draw the loss of each phase over its steps.

    :param metrics: as :meth:`tuning.rounds.store.RoundStore.metrics`; phases without a loss are left out.
    """
    phases = [phase for phase in PHASES if metrics.get(f"{phase}.loss")]
    if not phases:
        return ""
    widths = [len(metrics[f"{phase}.loss"]) for phase in phases]
    figure, axes = _figure(7.6, 2.7, len(phases), {"width_ratios": [max(width, max(widths) / 2) for width in widths]})
    for axis, phase in zip(axes, phases, strict=True):
        colour, title = PHASES[phase]
        steps, losses = zip(*metrics[f"{phase}.loss"], strict=True)
        axis.plot(steps, losses, color=colour, alpha=0.28, linewidth=1.2, marker="o" if len(steps) == 1 else None)
        axis.plot(steps, _smooth(losses), color=colour, linewidth=2.2)
        axis.set_title(title, loc="left", fontsize=10, color=INK)
        axis.set_xlabel("step")
        axis.annotate(
            f"{_smooth(losses)[-1]:.2f}", (steps[-1], _smooth(losses)[-1]), (6, 0), textcoords="offset points",
            va="center", color=colour, fontweight="bold", annotation_clip=False,
        )  # fmt: skip
    axes[0].set_ylabel("loss")
    return _svg(figure)


def differences(metrics: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Draw each metric's paired difference with its interval against zero, the deciding metric on top."""
    shown = [name for name in names if name in metrics]
    if not shown:
        return ""
    figure, (axis,) = _figure(7.6, 0.42 * len(shown) + 0.8, 1, {})
    for place, name in enumerate(reversed(shown)):
        (low, high), middle = metrics[name]["interval"], metrics[name]["difference"]
        colour = GREY if low <= 0 <= high else GREEN if (low > 0) != (name in LOWER_IS_BETTER) else RED
        axis.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="round")
        axis.plot([middle], [place], "o", color=colour, markersize=7)
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_yticks(range(len(shown)), [names[name] for name in reversed(shown)])
    axis.set_ylim(-0.6, len(shown) - 0.4)
    axis.set_xlabel("challenger - champion, 95% interval")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    return _svg(figure)


LOWER_IS_BETTER = frozenset({"length_error", "empty", "endless", "private"})


def _smooth(values: Sequence[float], weight: float = 0.8) -> list[float]:
    """Exponential moving average, corrected for its start."""
    smoothed, average = [], 0.0
    for step, value in enumerate(values, start=1):
        average = weight * average + (1 - weight) * value
        smoothed.append(average / (1 - weight**step))
    return smoothed


def _figure(width: float, height: float, columns: int, grid: dict[str, Any]) -> tuple[Any, Any]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False, gridspec_kw=grid)[0]
    return figure, axes


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<svg ([^<>]*?)height="[^"]+"', r'<svg role="img" \1', svg, count=1)
    return re.sub(r' width="[\d.]+pt"', ' width="100%"', svg, count=1)
