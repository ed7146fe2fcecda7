"""From a patient to signal: what each voxel's tissues send, phase by phase, without noise."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from hcnet.cohorts.phantom.fields import Float, Frame
from hcnet.cohorts.phantom.parameters import FaultParameters
from hcnet.cohorts.phantom.physiology import Physiology, Texture, voxel_kinetics
from hcnet.cohorts.phantom.protocol import Protocol
from hcnet.cohorts.phantom.signal import shortened_t1, spoiled_gradient_echo
from hcnet.cohorts.phantom.tissue import Fractions, Tissue

_FAILURE_EDGE = 0.2  # of the fat-suppression field, standard deviations
MAPS = ("ktrans_per_min", "ve", "vp", "t1_ms")


@dataclass(frozen=True, eq=False)
class Scanner:
    """What the scanner does to each place, (X, Y, Z) each.

    Attributes:
        flip_rad: true flip angle.
        fat_left: share of fat's signal that suppression leaves.
        receive: sensitivity of the receive coil.
    """

    flip_rad: Float
    fat_left: Float
    receive: Float

    @classmethod
    def at(
        cls, frame: Frame, to_nipple_mm: Float, protocol: Protocol, faults: FaultParameters
    ) -> "Scanner":
        """Read a protocol's fields.

        Args:
            frame: in the image's coordinates: x to the patient's right of the midline, mm.
            to_nipple_mm: depth below the level of the nipple.
            protocol: the exam's.
            faults: how strong the fields are.
        """
        nominal = np.float32(np.deg2rad(protocol.flip_deg) * protocol.flip_scale)
        flip = nominal * (
            1 + np.float32(faults.flip_scale_local_sd) * protocol.flip_local.on(frame)
        )
        fat_left = np.ones(frame.shape, np.float32)
        if protocol.fat_suppressed:
            failed = protocol.fat_failure.on(frame) - np.float32(faults.fat_failure_threshold)
            failed = expit(failed / np.float32(_FAILURE_EDGE))
            fat_left = protocol.fat_residual + (1 - protocol.fat_residual) * failed
        slow = np.float32(faults.bias_ln_sd) * protocol.bias_ln.on(frame)
        receive = np.exp(slow - to_nipple_mm / np.float32(protocol.coil_mm))
        return cls(flip, np.asarray(fat_left, np.float32), np.asarray(receive, np.float32))


def acquire(
    frame: Frame,
    fractions: Fractions,
    texture: Texture,
    patient: Physiology,
    protocol: Protocol,
    scanner: Scanner,
) -> tuple[Float, dict[str, Float]]:
    """Signal of every phase: each voxel's is the sum of its tissues'.

    Returns:
        (T, X, Y, Z) signal without noise or motion, in units of free water's magnetisation, and the
        truth, (X, Y, Z) each: `MAPS`, averaged over what a voxel holds, 0 in air.
    """
    shape = frame.shape
    signal = np.zeros((len(protocol.times_s), *shape), np.float32)
    flat = signal.reshape(len(signal), -1)
    maps = {name: np.zeros(shape, np.float32) for name in MAPS}
    logs = texture.on(frame)
    flip, fat_left = scanner.flip_rad.ravel(), scanner.fat_left.ravel()
    for tissue, fraction in fractions.items():
        voxels = np.flatnonzero(fraction)
        share = fraction.ravel()[voxels]
        facts = patient.tissues[tissue]
        voxel = voxel_kinetics(patient, tissue, logs, voxels)
        density = np.float32(facts.density) * share
        if tissue is Tissue.FAT:
            density = density * fat_left[voxels]
        for phase, time_s in enumerate(protocol.times_s):
            agent = patient.uptake.concentration(
                time_s - facts.kinetics.delay_s, voxel.ktrans_per_min, voxel.ve, voxel.vp
            )
            flat[phase, voxels] += spoiled_gradient_echo(
                density,
                shortened_t1(voxel.t1_s, agent, patient.relaxivity_per_s_mm),
                facts.t2_star_s,
                tr_s=protocol.tr_s,
                te_s=protocol.te_s,
                flip_rad=flip[voxels],
            )
        values = (voxel.ktrans_per_min, voxel.ve, voxel.vp, 1000 * voxel.t1_s)
        for truth, value in zip(maps.values(), values, strict=True):
            truth.reshape(-1)[voxels] += share * value
    signal *= scanner.receive
    return signal, maps
