"""One exam: a protocol, its faults, and the phases it makes of a patient."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hcnet.cohorts.phantom.anatomy import Anatomy
from hcnet.cohorts.phantom.fields import Field, Float, Frame, gaussian, random_field
from hcnet.cohorts.phantom.parameters import ProtocolParameters
from hcnet.cohorts.phantom.physiology import Physiology, spatial_logs, voxel_kinetics
from hcnet.cohorts.phantom.signal import (
    add_rician_noise,
    shortened_t1,
    spoiled_gradient_echo,
)
from hcnet.cohorts.phantom.tissue import Fractions, Tissue

_FAILURE_EDGE = 0.2  # of the fat-suppression field, standard deviations


@dataclass(frozen=True, eq=False)
class Protocol:
    """What the scanner was told, and how it erred.

    Attributes:
        times_s: centre of k-space of each phase relative to the injection, pre-contrast first.
        tr_s: repetition time.
        te_s: echo time.
        flip_deg: nominal flip angle.
        fat_suppressed: whether fat was to be suppressed.
        fat_residual: what is left of fat's signal where suppression works.
        fat_failure: field; above `fat_failure_threshold` suppression fails.
        fat_failure_threshold: in standard deviations.
        flip_scale: true over nominal flip angle, mean.
        flip_local: field; times `flip_local_sd`, the flip angle's local error.
        flip_local_sd: share of the flip angle.
        bias_ln: field; times `bias_ln_sd`, the logarithm of the receive sensitivity.
        bias_ln_sd: see `bias_ln`.
        coil_mm: depth below the nipple at which the coil's sensitivity has fallen to 1/e.
        snr_gland: mean gland signal before contrast over the noise of one channel.
        gland_units: mean gland signal before contrast as stored.
    """

    times_s: tuple[float, ...]
    tr_s: float
    te_s: float
    flip_deg: float
    fat_suppressed: bool
    fat_residual: float
    fat_failure: Field
    fat_failure_threshold: float
    flip_scale: float
    flip_local: Field
    flip_local_sd: float
    bias_ln: Field
    bias_ln_sd: float
    coil_mm: float
    snr_gland: float
    gland_units: float


@dataclass(frozen=True, eq=False)
class Exam:
    """What the scanner made of a patient.

    Attributes:
        phases: (T, X, Y, Z) int16 stored values.
        noise_free: (T, X, Y, Z) float32 in the same unit.
        sigma: noise of one channel, in the same unit.
        maps: truth, (X, Y, Z) float32 each: ktrans_per_min, ve, vp, t1_ms, averaged over what a
            voxel holds; 0 in air.
    """

    phases: NDArray[np.int16]
    noise_free: Float
    sigma: float
    maps: dict[str, Float]


def draw_protocol(rng: np.random.Generator, parameters: ProtocolParameters) -> Protocol:
    """Draw one exam's protocol."""
    n_post = parameters.n_post.draw(rng)
    jitter = rng.uniform(-parameters.post_jitter_s, parameters.post_jitter_s, 3)
    post = [t + d for t, d in zip(parameters.post_s, jitter, strict=True)]
    times = [round(t, 1) for t in (parameters.pre_s.draw(rng), *post[:n_post])]
    suppressed = bool(rng.random() < parameters.fat_suppression_probability)
    return Protocol(
        times_s=tuple(float(t) for t in times),
        tr_s=round(parameters.tr_s.draw(rng), 4),
        te_s=round(parameters.te_s.draw(rng), 4),
        flip_deg=float(round(parameters.flip_deg.draw(rng))),
        fat_suppressed=suppressed,
        fat_residual=parameters.fat_residual.draw(rng),
        fat_failure=random_field(rng, 8.0, gaussian(20.0)),
        fat_failure_threshold=parameters.fat_failure_threshold,
        flip_scale=parameters.flip_scale.draw(rng),
        flip_local=random_field(rng, 8.0, gaussian(30.0)),
        flip_local_sd=parameters.flip_scale_local_sd,
        bias_ln=random_field(rng, 8.0, gaussian(30.0)),
        bias_ln_sd=parameters.bias_ln_sd,
        coil_mm=parameters.coil_mm.draw(rng),
        snr_gland=parameters.snr_gland.draw(rng),
        gland_units=parameters.gland_units.draw(rng),
    )


def acquire(
    noise_rng: np.random.Generator,
    frame: Frame,
    anatomy: Anatomy,
    fractions: Fractions,
    patient: Physiology,
    protocol: Protocol,
    relaxivity_per_s_mm: float,
) -> Exam:
    """Image one patient: each voxel's signal is the sum of its tissues' signals, then noise."""
    shape = frame.shape
    signal = np.zeros((len(protocol.times_s), *shape), np.float32)
    flat = signal.reshape(len(signal), -1)
    maps = {name: np.zeros(shape, np.float32) for name in ("ktrans_per_min", "ve", "vp", "t1_ms")}
    logs = spatial_logs(patient, frame)
    flip = np.deg2rad(protocol.flip_deg) * protocol.flip_scale
    flip_rad = np.float32(flip) * (1 + protocol.flip_local_sd * protocol.flip_local.on(frame))
    flip_rad = flip_rad.ravel().astype(np.float32)
    fat_left = _fat_left(frame, protocol)
    for tissue, fraction in fractions.items():
        voxels = np.flatnonzero(fraction > 1e-3)
        share = fraction.ravel()[voxels]
        facts = patient.tissues[tissue]
        voxel = voxel_kinetics(patient, tissue, logs, voxels)
        density = facts.density * share
        if tissue is Tissue.FAT:
            density = density * fat_left[voxels]
        for phase, time_s in enumerate(protocol.times_s):
            agent = patient.uptake.concentration(
                time_s - facts.kinetics.delay_s, voxel.ktrans_per_min, voxel.ve, voxel.vp
            )
            flat[phase, voxels] += spoiled_gradient_echo(
                density,
                shortened_t1(voxel.t1_s, agent, relaxivity_per_s_mm),
                facts.t2_star_s,
                tr_s=protocol.tr_s,
                te_s=protocol.te_s,
                flip_rad=flip_rad[voxels],
            )
        values = (voxel.ktrans_per_min, voxel.ve, voxel.vp, 1000 * voxel.t1_s)
        for truth, value in zip(maps.values(), values, strict=True):
            truth.reshape(-1)[voxels] += share * value
    signal *= _receive(frame, anatomy, protocol)
    gland = fractions[Tissue.GLAND]
    gain = protocol.gland_units / float(np.average(signal[0], weights=gland))
    signal *= np.float32(gain)
    sigma = protocol.gland_units / protocol.snr_gland
    phases = np.empty(signal.shape, np.int16)
    for phase, clean in enumerate(signal):
        noisy = add_rician_noise(clean, sigma, noise_rng)
        phases[phase] = np.clip(np.rint(noisy), 0, np.iinfo(np.int16).max)
    return Exam(phases, signal, sigma, maps)


def _fat_left(frame: Frame, protocol: Protocol) -> Float:
    """Share of fat's signal that suppression leaves, flat over the voxels."""
    if not protocol.fat_suppressed:
        return np.ones(int(np.prod(frame.shape)), np.float32)
    failed = protocol.fat_failure.on(frame).ravel() - protocol.fat_failure_threshold
    failed = expit(failed / _FAILURE_EDGE)
    return np.asarray(protocol.fat_residual + (1 - protocol.fat_residual) * failed, np.float32)


def _receive(frame: Frame, anatomy: Anatomy, protocol: Protocol) -> Float:
    """Sensitivity of the receive coil, (X, Y, Z)."""
    slow = protocol.bias_ln_sd * protocol.bias_ln.on(frame)
    return np.exp(slow - anatomy.to_nipple_mm / protocol.coil_mm).astype(np.float32)
