"""From an exam as it comes to arrays that the networks can use, and the way back."""

import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hcnet.ahead import ahead
from hcnet.cohorts.case import Case, TimesFrom
from hcnet.errors import InputError
from hcnet.prepare.breast_mask import breast_mask
from hcnet.prepare.frame import Frame, frame_around
from hcnet.prepare.intensity import normalise
from hcnet.prepare.settings import PrepareConfig
from hcnet.volumes.checks import check_image, check_same_frame, checked_mask
from hcnet.volumes.resample import Order
from hcnet.volumes.volume import Grid, Volume, from_canonical, to_canonical

logger = logging.getLogger(__name__)

LOST_TUMOUR = 0.05
"""Share of a reference tumour outside the breast mask from which there is a warning."""
_READ_AHEAD = 2
"""Phases that are read before their turn, or wait to be resampled; each takes memory."""
_MOST_THREADS = 4


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A pre-contrast image ready for the networks.

    Attributes:
        image: (X, Y, Z) float32, normalised, on the prepared grid.
        breast: (X, Y, Z) bool, breast mask on the prepared grid.
        native_breast: bool, the same mask on the input's own grid.
        frame: the grids, and the way back.
    """

    image: NDArray[np.float32]
    breast: NDArray[np.bool_]
    native_breast: NDArray[np.bool_]
    frame: Frame

    @property
    def grid(self) -> Grid:
        """The prepared grid: RAS+, cropped to the breast, resampled."""
        return self.frame.grid

    @property
    def native(self) -> Grid:
        """The input's own grid."""
        return self.frame.native

    @property
    def canonical(self) -> Grid:
        """The input's grid with its axes in the order R, A, S."""
        return self.frame.canonical

    def to_native(self, array: NDArray[Any], order: Order) -> Volume:
        """Lay an array of the prepared grid back onto the input's own; see `Frame.to_native`."""
        return self.frame.to_native(array, order)


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """An exam ready for training.

    Attributes:
        name: of the case.
        image: the normalised pre-contrast image with its breast mask and grids.
        phases: (T, X, Y, Z) float32, raw intensities on the prepared grid, pre-contrast first.
        tumour: (X, Y, Z) bool on the prepared grid, or None where there is no reference.
        times_s: acquisition times in seconds, or None where unknown.
        times_from: what time zero is.
    """

    name: str
    image: PreparedImage
    phases: NDArray[np.float32]
    tumour: NDArray[np.bool_] | None
    times_s: tuple[float, ...] | None
    times_from: TimesFrom


def prepare_image(
    volume: Volume,
    settings: PrepareConfig,
    breast: Volume | None = None,
    *,
    location: str = "the image",
    breast_location: str = "the breast mask",
) -> PreparedImage:
    """Prepare a pre-contrast image: breast mask, crop, resampling, normalisation.

    Args:
        volume: pre-contrast T1-weighted image in any orientation.
        settings: spacing, normalisation, margin.
        breast: mask on the image's grid; it wins over the computed one.
        location: where the image comes from, for messages.
        breast_location: where the mask comes from, for messages.

    Raises:
        InputError: the image is too thin, not finite or constant; no breast is found; the mask is
            empty or has values other than 0 and 1 (or 255).
        GeometryError: the mask lies on another grid.
    """
    canonical, inside, frame = _framed(volume, settings, breast, location, breast_location)
    raw = frame.to_prepared(canonical, "linear")
    return _prepared_image(canonical, inside, frame, raw, settings, breast_location)


def _framed(
    volume: Volume,
    settings: PrepareConfig,
    breast: Volume | None,
    location: str,
    breast_location: str,
) -> tuple[Volume, NDArray[np.bool_], Frame]:
    """The image and its breast mask in canonical orientation, and the grids around the breast."""
    check_image(volume, location)
    canonical = to_canonical(volume)
    if breast is None:
        inside = _computed_breast(canonical, location)
    else:
        inside = _given_breast(breast, volume, breast_location, location)
    frame = frame_around(inside, volume.grid, settings.margin_mm, settings.spacing_mm)
    return canonical, inside, frame


def _prepared_image(
    canonical: Volume,
    inside: NDArray[np.bool_],
    frame: Frame,
    raw: NDArray[np.float32],
    settings: PrepareConfig,
    breast_location: str,
) -> PreparedImage:
    """What `prepare_image` gives, of an image whose intensities are on the prepared grid."""
    breast_there = _mask_to_prepared(frame, canonical.with_data(inside))
    if not breast_there.any():
        raise InputError(
            f"{breast_location}: is too small for voxels of {frame.grid.spacing} mm: "
            "check the mask, or choose a finer spacing."
        )
    image = normalise(raw, breast_there, settings.normalise)
    native_breast = from_canonical(canonical.with_data(inside), frame.native).data
    return PreparedImage(image, breast_there, native_breast, frame)


def prepare_case(
    case: Case,
    settings: PrepareConfig,
    ready: Callable[[NDArray[np.float32], int], None] | None = None,
) -> PreparedCase:
    """Prepare all phases and masks of a case on one grid.

    Args:
        case: its volumes are read here, a few at a time.
        settings: spacing, normalisation, margin.
        ready: told all phases (T, X, Y, Z) and the number of the one that is ready, in their order,
            while the next ones are prepared.

    Raises:
        InputError: a volume cannot be read or used; see `prepare_image`.
        GeometryError: a mask lies on another grid, or a phase shows another region.
    """
    breast_location = case.breast.location if case.breast else ""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    with (
        closing(ahead(lambda source: source.load(), case.phases, _READ_AHEAD)) as volumes,
        ThreadPoolExecutor(threads) as pool,
    ):
        pre = next(volumes)
        breast = case.breast.load() if case.breast else None
        canonical, inside, frame = _framed(
            pre, settings, breast, case.pre.location, breast_location
        )
        phases = np.empty((len(case.phases), *frame.grid.shape), np.float32)
        waiting = deque([pool.submit(frame.to_prepared, canonical, "linear", phases[0])])

        def image(raw: Future[NDArray[np.float32]]) -> PreparedImage:
            # The pool takes what waits in order, so the one that this waits for is under way.
            return _prepared_image(
                canonical, inside, frame, raw.result(), settings, breast_location
            )

        prepared = pool.submit(image, waiting[0])
        ended = iter(range(len(phases)))

        def end_one() -> None:
            waiting.popleft().result()
            number = next(ended)
            if ready is not None:
                ready(phases, number)

        for source, phase, out in zip(case.phases[1:], volumes, phases[1:], strict=True):
            check_image(phase, source.location)
            check_same_frame(phase, pre, source.location, case.pre.location)
            waiting.append(pool.submit(frame.to_prepared, phase, "linear", out))
            if len(waiting) > _READ_AHEAD:
                end_one()
        while waiting:
            end_one()
    tumour = _tumour(case, pre, prepared.result())
    return PreparedCase(case.name, prepared.result(), phases, tumour, case.times_s, case.times_from)


def _computed_breast(canonical: Volume, location: str) -> NDArray[np.bool_]:
    try:
        return breast_mask(canonical)
    except InputError as error:
        raise InputError(f"{location}: {error}") from error


def _given_breast(
    breast: Volume, image: Volume, breast_location: str, location: str
) -> NDArray[np.bool_]:
    """The given mask in canonical orientation."""
    inside = checked_mask(breast, image, breast_location, location)
    if not inside.any():
        raise InputError(
            f"{breast_location}: the breast mask is empty; give one that marks the breast, "
            "or none to have it computed."
        )
    return to_canonical(image.with_data(inside)).data


def _mask_to_prepared(frame: Frame, mask: Volume) -> NDArray[np.bool_]:
    """A voxel belongs to the mask if at least half of what linear interpolation sees does."""
    share = frame.to_prepared(mask.with_data(mask.data.astype(np.float32)), "linear")
    inside: NDArray[np.bool_] = share >= 0.5
    return inside


def _tumour(case: Case, pre: Volume, prepared: PreparedImage) -> NDArray[np.bool_] | None:
    if case.tumour is None:
        return None
    location = case.tumour.location
    mask = checked_mask(case.tumour.load(), pre, location, case.pre.location)
    tumour = _mask_to_prepared(prepared.frame, pre.with_data(mask))
    if not mask.any():
        logger.warning("%s: the tumour mask is empty", location)
    elif not tumour.any():
        logger.warning("%s: the tumour is too small for the prepared grid and is lost", location)
    else:
        # Counted on the input's own grid, where what the crop has cut off is still there.
        breast = prepared.to_native(prepared.breast, "nearest").data
        lost = (mask & ~breast).sum() / mask.sum()
        if lost > LOST_TUMOUR:
            percent = round(100 * lost)
            logger.warning("%s: %d %% of the tumour is outside the breast mask", location, percent)
    return tumour
