"""One exam's protocol and its faults, drawn before anything is imaged."""

from dataclasses import dataclass

import numpy as np

from hcnet.cohorts.phantom.fields import IMAGE_BOX_MM, Field, gaussian, random_field
from hcnet.cohorts.phantom.parameters import FaultParameters, ProtocolParameters

_OLD_PRE_S = 23 * 60.0


@dataclass(frozen=True, eq=False)
class Protocol:
    """What the scanner was told, and how it erred.

    Attributes:
        field_strength: T.
        times_s: centre of k-space of each phase relative to the injection, pre-contrast first.
        tr_s: repetition time.
        te_s: echo time.
        flip_deg: nominal flip angle.
        in_plane_mm: voxel size in a slice.
        slice_mm: voxel size across slices.
        fat_suppressed: whether fat was to be suppressed.
        fat_residual: what is left of fat's signal where suppression works.
        fat_failure: field; above the threshold suppression fails.
        flip_scale: true over nominal flip angle, mean.
        flip_local: field of the flip angle's local error, in standard deviations.
        bias_ln: field of the logarithm of the receive sensitivity, in standard deviations.
        coil_mm: depth below the nipple at which the coil's sensitivity has fallen to 1/e.
        snr_gland: mean gland signal before contrast over the noise of one channel.
        gland_units: mean gland signal before contrast as stored.
        motion: for each post-contrast phase, fields of displacement along x, y, z.
        motion_mm: for each post-contrast phase, the amplitude of its fields.
        acquired_share: of k-space along the second and third image axis; the rest is zeros.
        window_share: of the acquired k-space that a Hann flank covers.
    """

    field_strength: float
    times_s: tuple[float, ...]
    tr_s: float
    te_s: float
    flip_deg: float
    in_plane_mm: float
    slice_mm: float
    fat_suppressed: bool
    fat_residual: float
    fat_failure: Field
    flip_scale: float
    flip_local: Field
    bias_ln: Field
    coil_mm: float
    snr_gland: float
    gland_units: float
    motion: tuple[tuple[Field, Field, Field], ...]
    motion_mm: tuple[float, ...]
    acquired_share: tuple[float, float]
    window_share: float


def draw_protocol(
    rng: np.random.Generator, parameters: ProtocolParameters, faults: FaultParameters
) -> Protocol:
    """Draw one exam's protocol."""
    told_rng, fault_rng, motion_rng = rng.spawn(3)
    times = _times(told_rng, parameters)
    posts = len(times) - 1
    fields = [
        tuple(
            random_field(motion_rng, 8.0, gaussian(faults.motion_correlation_mm), box=IMAGE_BOX_MM)
            for _ in range(3)
        )
        for _ in range(posts)
    ]
    amplitudes = np.abs(motion_rng.standard_normal(posts)) * faults.motion_mm_sd
    filled = fault_rng.random() < faults.zero_fill_probability
    shares = [faults.zero_fill_share.draw(fault_rng) for _ in range(2)]
    return Protocol(
        field_strength=float(parameters.field_strength.draw(told_rng)),
        times_s=times,
        tr_s=round(parameters.tr_s.draw(told_rng), 4),
        te_s=round(parameters.te_s.draw(told_rng), 4),
        flip_deg=float(round(parameters.flip_deg.draw(told_rng))),
        in_plane_mm=round(parameters.in_plane_mm.draw(told_rng), 3),
        slice_mm=round(parameters.slice_mm.draw(told_rng), 2),
        fat_suppressed=bool(fault_rng.random() < faults.fat_suppression_probability),
        fat_residual=faults.fat_residual.draw(fault_rng),
        fat_failure=random_field(fault_rng, 8.0, gaussian(20.0), box=IMAGE_BOX_MM),
        flip_scale=faults.flip_scale.draw(fault_rng),
        flip_local=random_field(fault_rng, 8.0, gaussian(30.0), box=IMAGE_BOX_MM),
        bias_ln=random_field(fault_rng, 8.0, gaussian(30.0), box=IMAGE_BOX_MM),
        coil_mm=faults.coil_mm.draw(fault_rng),
        snr_gland=faults.snr_gland.draw(fault_rng),
        gland_units=faults.gland_units.draw(fault_rng),
        motion=tuple((x, y, z) for x, y, z in fields),
        motion_mm=tuple(float(a) for a in amplitudes),
        acquired_share=(shares[0], shares[1]) if filled else (1.0, 1.0),
        window_share=faults.window_share.draw(fault_rng),
    )


def _times(rng: np.random.Generator, parameters: ProtocolParameters) -> tuple[float, ...]:
    posts = parameters.n_post.draw(rng)
    first, step = parameters.first_post_s.draw(rng), parameters.post_step_s.draw(rng)
    pre = parameters.pre_s.draw(rng)
    if rng.random() < parameters.old_pre_probability:
        pre = -_OLD_PRE_S
    return tuple(float(round(t, 1)) for t in (pre, *(first + step * i for i in range(posts))))
