"""Reliability diagram: the share of tumour among voxels of like probability."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hcnet.report.charts import COLOURS, FAINT, plain_axes
from hcnet.report.content import Picture, Score, Section
from hcnet.report.stored import CalibrationFacts, ReliabilityBin, read_stored


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


def calibration_section(path: Path) -> Section:
    """Whether probabilities are right, from a `calibration.json`; empty where there is none.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_file():
        return Section()
    facts = read_stored(CalibrationFacts, path)
    return Section(
        text=(
            "A probability is right where that share of voxels is tumour. Counted inside the "
            "breast on patients that the networks had not seen; after: calibrated by other "
            "patients. Few voxels are tumour, so the error is small for networks that say so.",
        ),
        scores=(
            Score("ECE before", f"{facts.ece_before:.4f}", "expected calibration error"),
            Score(
                "ECE after",
                f"{facts.ece_after:.4f}",
                f"temperature {facts.temperature:.2f}, offset {facts.offset:+.2f}",
            ),
        ),
        pictures=(
            Picture(
                "reliability",
                reliability_figure(facts),
                "Share of tumour against probability, before and after calibration, and how many "
                "voxels there are of each probability.",
                "Reliability diagram: two lines beside the diagonal, and bars of voxel counts.",
            ),
        ),
    )
