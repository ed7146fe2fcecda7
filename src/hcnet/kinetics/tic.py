"""Time-intensity curves (paper 2.1): one clock, one time grid, one scale for every exam."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hcnet.errors import ConfigError, InputError
from hcnet.kinetics.settings import Scale

Floats = NDArray[np.floating[Any]]

UNKNOWN_INTERVAL_S = 120.0
"""Assumed time between phases where a case has no times (own choice: Duke's passes, 121-123 s)."""

RELATIVE_RANGE = (-1.0, 5.0)
"""Range to which relative enhancement is clipped; a signal cannot lose more than all of itself."""

RELATIVE_FLOOR = 0.1
"""Least S0 to divide by in relative scaling, in the curves' unit (see `curves.signal_unit`)."""

# A curve whose range is below this share of its largest value is constant but for rounding
# (resampling in float32 leaves about 1e-7).
CONSTANT = 1e-6


def kinetic_clock(
    times_s: Sequence[float] | None,
    times_from: Literal["injection", "pre", "unknown"],
    phases: int,
) -> NDArray[np.float64]:
    """Time of each phase since the contrast began to act, as far as the case tells.

    A curve is flat before the injection, so every phase up to it counts as time 0:

    - times from the injection: negative times become 0, and the pre-contrast phase is at 0;
    - times from the pre-contrast phase (or an unknown origin): that phase is at 0, and as the pause
      before the injection is unknown and may last minutes (23 in a case of the Duke collection), a
      first gap longer than the second is shortened to the second. Two phases leave nothing to
      compare with and keep their gap;
    - no times: phases `UNKNOWN_INTERVAL_S` apart.

    Args:
        times_s: acquisition times in seconds, pre-contrast first, or None.
        times_from: what time zero of `times_s` is.
        phases: number of phases P.

    Returns:
        (P,) seconds, starting at 0 and never falling; several phases at 0 are all baseline.

    Raises:
        InputError: fewer than two phases, a count that does not match, times that do not rise, or
            no phase after the injection.
    """
    if phases < 2:
        raise InputError(f"a time-intensity curve needs two phases or more, not {phases}.")
    if times_s is None:
        return np.arange(phases, dtype=np.float64) * UNKNOWN_INTERVAL_S
    times = np.array(times_s, dtype=np.float64)
    if times.shape != (phases,):
        raise InputError(f"{times.size} acquisition times for {phases} phases; give one for each.")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise InputError(f"acquisition times must rise from phase to phase: {times.tolist()}.")
    if times_from == "injection":
        clock = np.maximum(times, 0.0)
        clock[0] = 0.0
        if clock[-1] <= 0.0:
            raise InputError(
                f"no phase lies after the injection at time 0 ({times.tolist()} s); "
                "check the acquisition times."
            )
        return clock
    gaps = np.diff(times)
    if gaps.size >= 2:
        gaps[0] = min(gaps[0], gaps[1])
    return np.concatenate([[0.0], np.cumsum(gaps)])


def choose_time_grid(clocks: Sequence[Floats], points: int | None = None) -> NDArray[np.float64]:
    """The common time grid of a training cohort.

    The cases with the most common number of distinct times (the larger one on a tie) give, for
    each phase, the median of their times. Another number of points is spread evenly between
    these, in phases, not in seconds, so that early points stay dense. The grid never ends after
    the median last phase of those cases.

    Args:
        clocks: the kinetic clock of each training case, (P,) seconds each.
        points: number of points T, or None for the number of phases.

    Returns:
        (T,) seconds, starting at 0, strictly rising.

    Raises:
        InputError: no case, or none with a phase after the first.
        ConfigError: fewer than two points.
    """
    distinct = [np.unique(np.asarray(clock, dtype=np.float64)) for clock in clocks]
    sizes = [times.size for times in distinct if times.size >= 2]
    if not sizes:
        raise InputError("no case has two phases or more, so there are no curves to learn from.")
    modal = max(set(sizes), key=lambda size: (sizes.count(size), size))
    # Each column of rising rows has a higher median than the one before.
    rows = np.stack([times for times in distinct if times.size == modal])
    grid = np.asarray(np.median(rows, axis=0), dtype=np.float64)
    if points is None:
        return grid
    if points < 2:
        raise ConfigError(f"kinetics.points: a time grid needs two points or more, not {points}.")
    return np.interp(np.linspace(0, modal - 1, points), np.arange(modal), grid)


def resampling_weights(clock: Floats, grid: Floats) -> NDArray[np.float32]:
    """Linear interpolation in time as a matrix.

    Phases at the same time (several before the injection) are averaged. Times after the last
    phase take its value: nothing is known there, and a line continued would invent wash-out.

    Args:
        clock: (P,) seconds, never falling.
        grid: (T,) seconds.

    Returns:
        (P, T) weights; each column sums to 1.
    """
    times, place, count = np.unique(clock, return_inverse=True, return_counts=True)
    mean = (place[:, None] == np.arange(times.size)) / count
    hats = np.stack([np.interp(grid, times, unit) for unit in np.eye(times.size)])
    return np.asarray(mean @ hats, dtype=np.float32)


def resample_curves(curves: Floats, clock: Floats, grid: Floats) -> NDArray[np.float32]:
    """Bring curves onto the time grid, as one matrix product (see `resampling_weights`).

    Args:
        curves: (N, P) signal intensities.
        clock: (P,) seconds.
        grid: (T,) seconds.

    Returns:
        (N, T) float32.

    Raises:
        InputError: the clock has another number of phases than the curves.
    """
    if curves.shape[1] != len(clock):
        raise InputError(f"curves of {curves.shape[1]} phases with a clock of {len(clock)}.")
    return np.asarray(curves, dtype=np.float32) @ resampling_weights(clock, grid)


def scale_curves(curves: Floats, scale: Scale) -> NDArray[np.float32]:
    """Normalise each curve by itself.

    `minmax` is the paper's (2.1): (S - min S) / (max S - min S); a constant curve becomes zeros.
    `relative` is (S - S0) / S0, the relative enhancement, which keeps the amplitude that min-max
    loses in exams of two or three phases. S0 below `RELATIVE_FLOOR` counts as the floor, so that
    noise in dark voxels does not look like enhancement, and the result is clipped to
    `RELATIVE_RANGE`.

    Args:
        curves: (N, T) signal; for `relative` in units of the case's own signal.
        scale: which normalisation.

    Returns:
        (N, T) float32.
    """
    curves = np.asarray(curves, dtype=np.float32)
    if scale == "relative":
        s0 = curves[:, :1]
        return np.clip((curves - s0) / np.maximum(s0, RELATIVE_FLOOR), *RELATIVE_RANGE)
    low = curves.min(axis=1, keepdims=True)
    height = curves.max(axis=1, keepdims=True) - low
    flat = height <= CONSTANT * np.abs(curves).max(axis=1, keepdims=True)
    return np.where(flat, np.float32(0), (curves - low) / np.where(flat, 1, height))
