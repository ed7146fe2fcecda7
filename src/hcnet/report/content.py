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
        name: of its files, where figures are written as files: lower case, no suffix.
        figure: embedded as PNG; or a PNG file's content, where one lies there already.
        caption: what to see, one or two sentences.
        alt: what a reader who cannot see it needs to know.
    """

    name: str
    figure: Figure | bytes
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


@dataclass(frozen=True)
class Slices:
    """All slices of an exam, to be scrolled through.

    Pictures are sprites: `tiles` columns and rows of slices in reading order, each of `pixels`
    columns and rows with one more pixel on every side, so that no slice shines into its neighbour.

    Attributes:
        first: number of the first slice, counted from 1.
        total: slices of the exam; not all need be here.
        start: number of the slice to see first.
        size_mm: width and height of a slice.
        pixels: columns and rows of a slice in the sprites.
        tiles: columns and rows of slices in the sprites.
        outlines: SVG path of the tumour of each slice in voxels, empty where it has none.
        voxels: width and height of a slice in voxels.
        image: grey sprite as a data URI.
        labels: the same of the heterogeneity map; empty without one.
        uncertainty: the same of the uncertainty; empty without one.
        letters: where left, right and top point in the patient.
        bar_mm: length of the scale bar.
        text: which plane, which way up, how slices are counted.
    """

    first: int
    total: int
    start: int
    size_mm: tuple[float, float]
    pixels: tuple[int, int]
    tiles: tuple[int, int]
    outlines: tuple[str, ...]
    voxels: tuple[int, int]
    image: str
    labels: str
    uncertainty: str
    letters: tuple[str, str, str]
    bar_mm: int
    text: str


@dataclass(frozen=True, eq=False)
class SegmentationReport:
    """What is told of one segmented exam.

    Attributes:
        title: name of the case.
        source: the input file or folder, as the reader knows it.
        created: date and time as text.
        scores: volumes and counts, shown large.
        slices: to scroll through; None without.
        pictures: preview, projections.
        tables: foci and other tables.
        classes: legend and composition of the heterogeneity map.
        curve_label: what the classes' curves are, e.g. "relative enhancement, 0 to 480 s".
        warnings: sentences that the reader must not miss.
        learned: what the model was trained on, and how well it did.
        manifest: versions, settings, hashes, time; nested JSON values.
    """

    title: str
    source: str
    created: str
    scores: tuple[Score, ...] = ()
    slices: Slices | None = None
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    classes: tuple[TissueClass, ...] = ()
    curve_label: str = ""
    warnings: tuple[str, ...] = ()
    learned: Section = field(default_factory=Section)
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


@dataclass(frozen=True, eq=False)
class StudyReport:
    """What is told of a study that compares methods on the same held-out patients.

    Attributes:
        title: name of the folder.
        source: what the methods were held against.
        created: date and time as text.
        kind: which study.
        table: all methods, with the forest plot.
        paired: each method against the reference method, patient by patient.
        panels: pictures of held-out cases.
        calibration: whether the method's probabilities are right; empty where not measured.
        notes: what the numbers are, and what they are not.
        warnings: sentences that the reader must not miss.
        settings: of the study; nested JSON values.
        environment: versions and device; nested JSON values.
    """

    title: str
    source: str
    created: str
    kind: str
    table: Section
    paired: Section
    panels: Section = field(default_factory=Section)
    calibration: Section = field(default_factory=Section)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)


Report = SegmentationReport | RunReport | StudyReport


def pictures_of(report: Report) -> tuple[Picture, ...]:
    """Every picture of a report, in the order of the page."""
    if isinstance(report, SegmentationReport):
        return report.pictures
    if isinstance(report, StudyReport):
        tables = (report.table, report.paired)
        sections: tuple[Section, ...] = (*tables, report.panels, report.calibration)
    else:
        stages = (report.stage1, report.stage2, report.stage3)
        sections = (report.summary, report.cohort, *stages)
    return tuple(picture for section in sections for picture in section.pictures)
