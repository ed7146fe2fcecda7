"""Curves of held-out cases, and of the same voxels in a second scan of the same patients."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.cohorts.case import Case
from hcnet.errors import GeometryError, InputError
from hcnet.kinetics.curves import iter_curves
from hcnet.kinetics.settings import Scale
from hcnet.kinetics.tic import kinetic_clock, scale_curves
from hcnet.prepare.cache import CachedCase
from hcnet.training.stage_kinetics import CurveSource
from hcnet.volumes.checks import check_image

VOXELS = 50_000
"""Most voxels of a case that are looked at, in the breast and again in the tumour (own choice).

Metrics and agreement are means over voxels, so that a sample of this size moves them by less than
half a percent, and every fit of a study is judged in a second.
"""


@dataclass(frozen=True, eq=False)
class Scan:
    """Curves of one scan, (n, T) drawn in the breast and (m, T) in the tumour."""

    breast: NDArray[np.float32]
    tumour: NDArray[np.float32]

    def scaled(self, scale: Scale) -> "Scan":
        """Each curve normalised by itself."""
        return Scan(scale_curves(self.breast, scale), scale_curves(self.tumour, scale))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A case to judge clusterings on.

    Attributes:
        name: of the case.
        patient: it belongs to.
        test: curves of the scan.
        retest: curves of the same voxels in the second scan; None without one.
        inside: (n,) which of the breast curves lie in the tumour; None without a tumour mask.
    """

    name: str
    patient: str
    test: Scan
    retest: Scan | None
    inside: NDArray[np.bool_] | None

    def scaled(self, scale: Scale) -> "HeldOut":
        """The case with its curves normalised."""
        retest = None if self.retest is None else self.retest.scaled(scale)
        return HeldOut(self.name, self.patient, self.test.scaled(scale), retest, self.inside)


def draw_held_out(
    case: CachedCase,
    patient: str,
    retest: Case | None,
    grid: NDArray[np.float64],
    rng: np.random.Generator,
    voxels: int = VOXELS,
) -> HeldOut:
    """Draw voxels of a case and read their curves, in its second scan too.

    The breast is drawn from evenly, so that shares in the sample are those in the breast. Inside
    the tumour, which may be a thousandth of it, voxels are drawn a second time.

    Args:
        case: prepared.
        patient: it belongs to.
        retest: the second scan; the breast and tumour masks of `case` are used for it.
        grid: (T,) seconds.
        rng: source of randomness.
        voxels: most to draw of each region.

    Raises:
        GeometryError: the second scan lies on another grid.
        InputError: a scan has a single phase or intensities that cannot be used.
    """
    first = CurveSource.of(case)
    breast = np.flatnonzero(first.breast)
    chosen = _drawn(breast, voxels, rng)
    inside, tumour = None, np.empty(0, dtype=np.intp)
    if first.tumour is not None:
        mask = np.asarray(first.tumour).reshape(-1) != 0
        inside, tumour = mask[chosen], _drawn(breast[mask[breast]], voxels, rng)
    second = None if retest is None else _scan(retest_source(case, retest), chosen, tumour, grid)
    return HeldOut(case.name, patient, _scan(first, chosen, tumour, grid), second, inside)


def retest_source(case: CachedCase, retest: Case) -> CurveSource:
    """The second scan of a case in the frame of the first, so that voxels are the same.

    Args:
        case: the prepared first scan, which gives breast mask and frame.
        retest: the second scan; its own masks are not looked at.

    Raises:
        GeometryError: a phase of the second scan lies on another grid than the first scan.
        InputError: it has a single phase or an unusable one.
    """
    if len(retest.phases) < 2:
        raise InputError(
            f"{retest.pre.location}: has a single phase; time-intensity curves need a pre-contrast "
            "and at least one post-contrast phase."
        )
    phases = np.empty((len(retest.phases), *case.grid.shape), dtype=np.float32)
    for number, source in enumerate(retest.phases):
        volume = source.load()
        check_image(volume, source.location)
        difference = case.native.difference(volume.grid)
        if difference:
            raise GeometryError(
                f"{source.location}: lies on another grid than the first scan of {case.name} "
                f"({difference}); give a second scan on the grid of the first."
            )
        phases[number] = case.frame.to_prepared(volume, "linear")
    clock = kinetic_clock(retest.times_s, retest.times_from, len(phases))
    return CurveSource(retest.name, phases, case.breast, clock, case.tumour)


def _scan(
    source: CurveSource,
    breast: NDArray[np.intp],
    tumour: NDArray[np.intp],
    grid: NDArray[np.float64],
) -> Scan:
    parts: dict[str, list[NDArray[Any]]] = {"breast": [], "tumour": []}
    for voxels, curves in iter_curves(source.phases, source.breast, source.clock, grid):
        parts["breast"].append(curves[np.isin(voxels, breast, assume_unique=True)])
        parts["tumour"].append(curves[np.isin(voxels, tumour, assume_unique=True)])
    return Scan(np.concatenate(parts["breast"]), np.concatenate(parts["tumour"]))


def _drawn(voxels: NDArray[np.intp], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """At most so many of the voxels, in their order."""
    if len(voxels) <= most:
        return voxels
    return np.sort(rng.choice(voxels, most, replace=False, shuffle=False))
