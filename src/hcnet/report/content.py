"""What a report is made of, as plain data; `hcnet.report.html` lays it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

Cell = str | int | float | None


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with its words.

    Attributes:
        figure: embedded as PNG.
        caption: what to see, one or two sentences.
        alt: what a reader who cannot see it needs to know.
    """

    figure: Figure
    caption: str
    alt: str


@dataclass(frozen=True)
class Table:
    """A table; the first column names the row.

    Attributes:
        caption: headline.
        columns: headings.
        rows: cells in the order of the columns; NaN shows as "undefined", None as a dash.
        note: small print.
        folded: whether it starts closed, for long tables.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Score:
    """A number to be seen first.

    Attributes:
        label: what it is.
        value: the number as text, with its unit.
        detail: the interval, the count of cases, the p-value.
    """

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class TissueClass:
    """One class of the heterogeneity map.

    Attributes:
        number: label in the map, from 1 (least suspicious) to K.
        colour: "#rrggbb" as in the pictures.
        curve: (T,) mean curve of the class; empty where unknown.
        tumour_share: share of the tumour's voxels, 0 to 1; None where there is no tumour.
        breast_share: share of the breast's voxels, 0 to 1.
    """

    number: int
    colour: str
    curve: tuple[float, ...] = ()
    tumour_share: float | None = None
    breast_share: float | None = None


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a report.

    Attributes:
        text: paragraphs.
        scores: numbers shown large.
        tables: tables.
        pictures: figures.
    """

    text: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, eq=False)
class SegmentationReport:
    """What is told of one segmented exam.

    Attributes:
        title: name of the case.
        source: the input file or folder, as the reader knows it.
        created: date and time as text.
        scores: volumes and counts, shown large.
        pictures: preview, projections.
        tables: foci and other tables.
        classes: legend and composition of the heterogeneity map.
        curve_label: what the classes' curves are, e.g. "relative enhancement, 0 to 480 s".
        warnings: sentences that the reader must not miss.
        manifest: versions, settings, hashes, time; nested JSON values.
    """

    title: str
    source: str
    created: str
    scores: tuple[Score, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    classes: tuple[TissueClass, ...] = ()
    curve_label: str = ""
    warnings: tuple[str, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RunReport:
    """What is told of one training run.

    Attributes:
        title: name of the run.
        source: the cohort, as the reader knows it.
        created: date and time as text.
        summary: the scores: the method, the plain baseline, their difference.
        cohort: cases and split.
        stage1: TIC clustering.
        stage2: HIPM.
        stage3: KIS-Net and the baseline.
        classes: legend of the heterogeneity map, with mean curves and composition.
        curve_label: what the classes' curves are.
        warnings: sentences that the reader must not miss.
        settings: all settings; nested JSON values.
        environment: versions, device, seeds, time; nested JSON values.
    """

    title: str
    source: str
    created: str
    summary: Section
    cohort: Section
    stage1: Section
    stage2: Section
    stage3: Section
    classes: tuple[TissueClass, ...] = ()
    curve_label: str = ""
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
