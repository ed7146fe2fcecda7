"""The figure of a study of K: small multiples, a metric a row and a scale a column."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hcnet.report.charts import COLOURS, STYLES
from hcnet.studies.choose_k.plan import PAPER_K
from hcnet.studies.choose_k.rows import Interval, Row

_NAMES = {"vqvae": "VQ-VAE", "kmeans": "k-means", "gmm": "Gaussian mixture", "bins": "PE/SER bins"}
_SCALES = {"minmax": "min-max of each curve (paper)", "relative": "relative enhancement"}
_MARKERS = ("o", "s", "^", "D")
_GRID = "#d9dde1"
_FAINT = "#5c6670"


class _Panel(NamedTuple):
    """One row of charts: what it shows, how, and whether its scales share an axis."""

    label: str
    value: Callable[[Row], Interval | None]
    shared: bool


def study_figure(rows: Sequence[Row]) -> Figure:
    """Draw every metric against K, one line a method; the paper's K is marked.

    Metrics that no row has are left out. Distances in curve space have an axis for each scale,
    since they are not in the same unit; all others share theirs. Bands are 95 % intervals over
    patients; a hollow marker is a mean that leaves out cases in which agreement is undefined.

    Args:
        rows: at least one.
    """
    scales = list(dict.fromkeys(row.scale for row in rows))
    methods = list(dict.fromkeys(row.method for row in rows))
    panels = [panel for panel in _panels() if any(panel.value(row) for row in rows)]
    figure = Figure(
        figsize=(4.2 * len(scales) + 0.6, 1.4 * len(panels) + 0.9), layout="constrained"
    )
    charts = figure.subplots(len(panels), len(scales), squeeze=False, sharex=True)
    for line, panel in zip(charts, panels, strict=True):
        for axes, scale in zip(line, scales, strict=True):
            for number, method in enumerate(methods):
                these = [r for r in rows if (r.scale, r.method) == (scale, method)]
                _draw(axes, these, panel, number)
            axes.axvline(PAPER_K, color=_FAINT, lw=1, ls=(0, (4, 3)), zorder=1)
            _plain(axes)
        if panel.shared:
            _share(line)
        line[0].set_ylabel(panel.label, fontsize=8.5)
    for axes, scale in zip(charts[0], scales, strict=True):
        axes.set_title(_SCALES[scale], fontsize=10, loc="left")
    for axes in charts[-1]:
        axes.set_xlabel(f"codes K (dashed: the paper's {PAPER_K})", fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    handles, names = _legend(charts.ravel().tolist())
    figure.legend(handles, names, loc="outside upper left", ncols=4, frameon=False, fontsize=9)
    figure.align_ylabels()
    return figure


def _panels() -> list[_Panel]:
    panels = [
        _Panel("SSE", _quality("sse"), shared=False),
        _Panel("CPN", _quality("cpn"), shared=False),
        _Panel("SPT", _quality("spt"), shared=False),
        _Panel("DBN", _quality("dbn"), shared=False),
        _Panel("TVR, tumour", _quality("tvr_tumour"), shared=True),
        _Panel("perplexity", _quality("perplexity"), shared=True),
    ]
    for region in ("breast", "tumour"):
        for measure, name in (
            ("exact", "exact"),
            ("kappa", "kappa"),
            ("weighted_kappa", "wt. kappa"),
        ):
            label = f"test-retest\n{name}, {region}"
            panels.append(_Panel(label, _agreement("retest", f"{region}/{measure}"), shared=True))
    for region in ("breast", "tumour"):
        label = f"between seeds\nkappa, {region}"
        panels.append(_Panel(label, _agreement("between_seeds", f"{region}/kappa"), shared=True))
    return panels


def _quality(name: str) -> Callable[[Row], Interval | None]:
    def value(row: Row) -> Interval | None:
        number = row.quality[name]
        return None if number is None else Interval(number, None, None, 0, 0)

    return value


def _agreement(group: str, key: str) -> Callable[[Row], Interval | None]:
    def value(row: Row) -> Interval | None:
        interval: Interval | None = getattr(row, group).get(key)
        return None if interval is None or interval.mean is None else interval

    return value


def _draw(axes: Axes, rows: Sequence[Row], panel: _Panel, number: int) -> None:
    points = [(row, found) for row in rows if (found := panel.value(row)) is not None]
    if not points:
        return
    colour = COLOURS[number % len(COLOURS)]
    axes.plot(
        [row.k for row, _ in points],
        [mean for _, (mean, *_) in points if mean is not None],
        color=colour,
        ls=STYLES[number % len(STYLES)],
        marker=_MARKERS[number % len(_MARKERS)],
        ms=3.2,
        lw=1.4,
        label=_NAMES[points[0][0].method],
    )
    partial = [(row.k, found.mean) for row, found in points if found.n < found.of]
    if partial:
        ks, means = zip(*partial, strict=True)
        marker = _MARKERS[number % len(_MARKERS)]
        axes.plot(ks, means, marker, color=colour, ms=3.8, mfc="white", zorder=3)
    banded = [(r.k, f.low, f.high) for r, f in points if f.low is not None and f.high is not None]
    if banded:
        ks, lows, highs = zip(*banded, strict=True)
        axes.fill_between(ks, lows, highs, color=colour, alpha=0.12, lw=0)


def _share(line: Sequence[Axes]) -> None:
    limits = [axes.get_ylim() for axes in line if axes.lines]
    for axes in line:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _legend(charts: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    """Each method once, in the order of drawing."""
    found: dict[str, Artist] = {}
    for axes in charts:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    return list(found.values()), list(found)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(colors=_FAINT, labelcolor="black", labelsize=7.5)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.grid(color=_GRID, lw=0.6)
    axes.set_axisbelow(True)
