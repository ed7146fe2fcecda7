"""One patient's tissues: relaxation, water, contrast uptake, and how they vary in space."""

from dataclasses import dataclass

import numpy as np

from hcnet.cohorts.phantom.fields import Field, Float, Frame, gaussian, random_field
from hcnet.cohorts.phantom.kinetics import UptakeTable, parker_aif, weinmann_aif
from hcnet.cohorts.phantom.parameters import (
    KineticParameters,
    PhantomParameters,
    TissueKinetics,
)
from hcnet.cohorts.phantom.tissue import Tissue

_GRADES = ("minimal", "mild", "moderate", "marked")
_TEXTURED = (Tissue.GLAND, Tissue.TUMOUR_RIM, Tissue.TUMOUR_CORE, Tissue.BENIGN)


@dataclass(frozen=True)
class TissueFacts:
    """Medians of one tissue in this patient: s, and magnetisation relative to free water."""

    t1_s: float
    t2_star_s: float
    density: float
    kinetics: TissueKinetics


@dataclass(frozen=True, eq=False)
class Physiology:
    """One patient.

    Attributes:
        tissues: medians by tissue.
        uptake: tissue concentration for this patient's arterial input.
        background: grade of the gland's enhancement.
        logs: standard normal fields that move ln Ktrans, ln ve, ln vp and ln T1 in space.
        t1_texture_ln_sd: how far T1 follows its field.
    """

    tissues: dict[Tissue, TissueFacts]
    uptake: UptakeTable
    background: str
    logs: tuple[Field, Field, Field, Field]
    t1_texture_ln_sd: float


@dataclass(frozen=True, eq=False)
class VoxelKinetics:
    """Parameters of N voxels of one tissue, (N,) each."""

    ktrans_per_min: Float
    ve: Float
    vp: Float
    t1_s: Float


def draw_physiology(
    rng: np.random.Generator, parameters: PhantomParameters, *, premenopausal: bool
) -> Physiology:
    """Draw one patient's tissues and arterial input."""
    kinetics = parameters.kinetics
    aif_rng, grade_rng, t1_rng, field_rng = rng.spawn(4)
    background = (kinetics.background_pre if premenopausal else kinetics.background_post).draw(
        grade_rng
    )
    correlation = kinetics.correlation_mm.draw(field_rng)
    ktrans, ve, vp, t1 = (random_field(field_rng, 2.5, gaussian(correlation)) for _ in range(4))
    return Physiology(
        tissues=_tissues(t1_rng, parameters, background),
        uptake=_uptake(aif_rng, kinetics, last_s=parameters.protocol.post_s[-1] + 120),
        background=background,
        logs=(ktrans, ve, vp, t1),
        t1_texture_ln_sd=parameters.gland.t1_texture_ln_sd,
    )


def _tissues(
    rng: np.random.Generator, parameters: PhantomParameters, background: str
) -> dict[Tissue, TissueFacts]:
    relaxation, kinetics = parameters.relaxation, parameters.kinetics
    lesions = float(np.exp(kinetics.patient_ktrans_ln_sd * np.clip(rng.standard_normal(), -2, 2)))
    fat_t1, gland_t1 = relaxation.fat_t1.draw(rng), relaxation.gland_t1.draw(rng)
    muscle_t1, skin_t1 = relaxation.muscle_t1.draw(rng), relaxation.skin_t1.draw(rng)
    necrosis_t1 = relaxation.necrosis_t1.draw(rng)
    tumour_t1 = gland_t1 * relaxation.tumour_t1_to_gland.draw(rng)
    benign_t1 = gland_t1 * relaxation.benign_t1_to_gland.draw(rng)
    water = relaxation.water_density
    spread = relaxation.lesion_density_ln_sd
    tumour_water, benign_water = water * np.exp(spread * np.clip(rng.standard_normal(2), -3, 3))
    grade = _GRADES.index(background)
    gland = TissueKinetics(
        ktrans_per_min=kinetics.background_ktrans_per_min[grade],
        ve=kinetics.gland_ve,
        vp=kinetics.background_vp[grade],
        delay_s=kinetics.gland_delay_s,
    )

    def scaled(tissue: TissueKinetics) -> TissueKinetics:
        return tissue.model_copy(update={"ktrans_per_min": tissue.ktrans_per_min * lesions})

    t2_star = relaxation.gland_t2_star
    return {
        Tissue.SKIN: TissueFacts(skin_t1, relaxation.skin_t2_star, water, kinetics.skin),
        Tissue.FAT: TissueFacts(
            fat_t1, relaxation.fat_t2_star, relaxation.fat_density, kinetics.fat
        ),
        Tissue.GLAND: TissueFacts(gland_t1, t2_star, water, gland),
        Tissue.MUSCLE: TissueFacts(muscle_t1, relaxation.muscle_t2_star, water, kinetics.muscle),
        Tissue.TUMOUR_RIM: TissueFacts(tumour_t1, t2_star, tumour_water, scaled(kinetics.rim)),
        Tissue.TUMOUR_CORE: TissueFacts(tumour_t1, t2_star, tumour_water, scaled(kinetics.core)),
        Tissue.NECROSIS: TissueFacts(
            necrosis_t1, relaxation.necrosis_t2_star, tumour_water, kinetics.necrosis
        ),
        Tissue.BENIGN: TissueFacts(benign_t1, t2_star, benign_water, scaled(kinetics.benign)),
    }


def _uptake(rng: np.random.Generator, kinetics: KineticParameters, last_s: float) -> UptakeTable:
    times = np.arange(0.0, last_s, 1.0)
    arrival = kinetics.arrival_s.draw(rng)
    share = kinetics.parker_share.draw(rng)
    plasma = share * parker_aif(times, arrival) / (1 - kinetics.haematocrit.draw(rng))
    plasma += (1 - share) * weinmann_aif(times, arrival)
    plasma *= np.exp(kinetics.dose_ln_sd * np.clip(rng.standard_normal(), -2.5, 2.5))
    return UptakeTable.build(times, plasma)


def spatial_logs(patient: Physiology, frame: Frame) -> tuple[Float, Float, Float, Float]:
    """The patient's four fields on an image, flat (X * Y * Z,) each."""
    ktrans, ve, vp, t1 = (field.on(frame).ravel() for field in patient.logs)
    return ktrans, ve, vp, t1


def voxel_kinetics(
    patient: Physiology,
    tissue: Tissue,
    logs: tuple[Float, Float, Float, Float],
    voxels: np.ndarray[tuple[int], np.dtype[np.intp]],
) -> VoxelKinetics:
    """What the voxels with these flat indices would be if they were all of `tissue`."""
    facts = patient.tissues[tissue]
    k = facts.kinetics
    ktrans = k.ktrans_per_min * np.exp(np.log(k.ktrans_gsd) * logs[0][voxels])
    ve = np.clip(k.ve * np.exp(np.log(k.ve_gsd) * logs[1][voxels]), 0.02, 0.95)
    vp = np.minimum(k.vp * np.exp(np.log(k.vp_gsd) * logs[2][voxels]), 0.95 - ve)
    t1 = np.full(voxels.size, facts.t1_s)
    if tissue in _TEXTURED:
        t1 *= np.exp(patient.t1_texture_ln_sd * logs[3][voxels])
    ktrans, ve, vp, t1 = (a.astype(np.float32) for a in (ktrans, np.asarray(ve), vp, t1))
    return VoxelKinetics(ktrans, ve, vp, t1)
