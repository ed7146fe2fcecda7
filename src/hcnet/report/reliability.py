"""Reliability diagram: the share of tumour among voxels of like probability."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hcnet.report.charts import COLOURS, FAINT, plain_axes
from hcnet.report.stored import CalibrationFacts, ReliabilityBin


def reliability_figure(facts: CalibrationFacts) -> Figure:
    """Observed share against probability before and after calibration, and the voxels of each bin.

    On the dotted diagonal a probability is right; under it the networks are too sure of tumour.
    Source: Guo et al., ICML 2017, figure 1.

    Args:
        facts: what a run measured.
    """
    figure = Figure(figsize=(8.6, 4.2), layout="constrained")
    shares, counts = figure.subplots(1, 2, width_ratios=(3, 2))
    shares.plot([0, 1], [0, 1], color=FAINT, ls="dotted", lw=1.2, label="right")
    _line(shares, facts.bins_before, f"before (ECE {facts.ece_before:.4f})", 1, "s", "dashed")
    _line(shares, facts.bins_after, f"after (ECE {facts.ece_after:.4f})", 0, "D", "solid")
    _line(counts, facts.bins_before, "", 1, "s", "dashed", counted=True)
    _line(counts, facts.bins_after, "", 0, "D", "solid", counted=True)
    shares.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    shares.set_ylabel("share that is tumour", fontsize=8.5)
    counts.set(xlim=(-0.02, 1.02), yscale="log")
    counts.set_ylabel("voxels", fontsize=8.5)
    for axes in (shares, counts):
        axes.set_xlabel("mean probability of the bin", fontsize=8.5)
        plain_axes(axes)
    shares.legend(frameon=False, fontsize=8.5, loc="upper left")
    return figure


def _line(
    axes: Axes,
    bins: Sequence[ReliabilityBin],
    label: str,
    colour: int,
    marker: str,
    style: str,
    *,
    counted: bool = False,
) -> None:
    axes.plot(
        [each.confidence for each in bins],
        [each.count if counted else each.observed for each in bins],
        color=COLOURS[colour], marker=marker, ls=style, lw=1.6, ms=4.5,
        markerfacecolor="white" if colour else COLOURS[colour], label=label or None,
    )  # fmt: skip
