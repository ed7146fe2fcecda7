"""One patient's tissues: relaxation, water, contrast uptake, and how they vary in space."""

from dataclasses import dataclass, replace

import numpy as np

from hcnet.cohorts.phantom.fields import Field, Float, Frame, gaussian, random_field
from hcnet.cohorts.phantom.kinetics import UptakeTable, parker_aif, weinmann_aif
from hcnet.cohorts.phantom.parameters import PhantomParameters, TissueKinetics, UptakeParameters
from hcnet.cohorts.phantom.tissue import DECOYS, TUMOUR, Tissue

_GRADES = ("minimal", "mild", "moderate", "marked")


@dataclass(frozen=True)
class TissueFacts:
    """Medians of one tissue in this patient: s, and magnetisation relative to free water.

    A textured tissue's T1 varies from place to place.
    """

    t1_s: float
    t2_star_s: float
    density: float
    kinetics: TissueKinetics
    textured: bool = False


@dataclass(frozen=True, eq=False)
class Physiology:
    """One patient.

    Attributes:
        tissues: medians by tissue; those of tumours depend on their pattern, see `of_tumour`.
        uptake: tissue concentration for this patient's arterial input.
        relaxivity_per_s_mm: of the agent at this field strength.
        background: grade of the gland's enhancement.
        t1_texture_ln_sd: how far T1 follows its field.
    """

    tissues: dict[Tissue, TissueFacts]
    uptake: UptakeTable
    relaxivity_per_s_mm: float
    background: str
    t1_texture_ln_sd: float


@dataclass(frozen=True, eq=False)
class Texture:
    """Standard normal fields of one breast that move ln Ktrans, ln ve, ln vp and ln T1 in space."""

    ktrans: Field
    ve: Field
    vp: Field
    t1: Field

    @classmethod
    def draw(cls, rng: np.random.Generator, uptake: UptakeParameters) -> "Texture":
        """Draw one breast's."""
        correlation = uptake.correlation_mm.draw(rng)
        ktrans, ve, vp, t1 = (random_field(rng, 2.5, gaussian(correlation)) for _ in range(4))
        return cls(ktrans, ve, vp, t1)

    def on(self, frame: Frame) -> tuple[Float, Float, Float, Float]:
        """The four fields on an image, flat (X * Y * Z,) each."""
        ktrans, ve, vp, t1 = (f.on(frame).ravel() for f in (self.ktrans, self.ve, self.vp, self.t1))
        return ktrans, ve, vp, t1


@dataclass(frozen=True, eq=False)
class VoxelKinetics:
    """Parameters of N voxels of one tissue, (N,) each."""

    ktrans_per_min: Float
    ve: Float
    vp: Float
    t1_s: Float


def draw_physiology(
    rng: np.random.Generator,
    parameters: PhantomParameters,
    *,
    premenopausal: bool,
    field_strength: float,
    last_s: float,
    pattern: str,
    null: bool,
) -> Physiology:
    """Draw one patient's tissues and arterial input.

    Args:
        rng: where they come from.
        parameters: what they are drawn from.
        premenopausal: decides how much the gland enhances.
        field_strength: 1.5 or 3 T.
        last_s: last time that the uptake is asked for, s after the injection.
        pattern: uptake of the tumour, where there is one.
        null: masses have the gland's relaxation and water, so that they cannot be seen before
            contrast.
    """
    aif_rng, grade_rng, t1_rng = rng.spawn(3)
    graded = parameters.background.pre if premenopausal else parameters.background.post
    background = graded.draw(grade_rng)
    tissues = _tissues(t1_rng, parameters, background, field_strength, pattern)
    if null:
        gland = tissues[Tissue.GLAND]
        for tissue in (*TUMOUR, *DECOYS):
            tissues[tissue] = replace(gland, kinetics=tissues[tissue].kinetics)
    return Physiology(
        tissues=tissues,
        uptake=_uptake(aif_rng, parameters.uptake, last_s),
        relaxivity_per_s_mm=parameters.uptake.relaxivity(field_strength),
        background=background,
        t1_texture_ln_sd=parameters.gland.t1_texture_ln_sd,
    )


def _tissues(
    rng: np.random.Generator,
    parameters: PhantomParameters,
    background: str,
    field_strength: float,
    pattern: str,
) -> dict[Tissue, TissueFacts]:
    relaxation, kinetics, uptake = parameters.relaxation, parameters.kinetics, parameters.uptake
    at_field = relaxation.t1(field_strength)
    lesions = float(np.exp(uptake.patient_ktrans_ln_sd * np.clip(rng.standard_normal(), -2, 2)))
    t1 = {name: getattr(at_field, name).draw(rng) for name in type(at_field).model_fields}
    tumour_t1 = t1["gland"] * relaxation.tumour_t1_to_gland.draw(rng)
    adenoma_t1 = t1["gland"] * relaxation.fibroadenoma_t1_to_gland.draw(rng)
    nodule_t1 = t1["gland"] * relaxation.nodule_t1_to_gland.draw(rng)
    haematocrit = uptake.haematocrit.draw(rng)
    water = relaxation.water_density
    spread = relaxation.lesion_density_ln_sd
    waters = water * np.exp(spread * np.clip(rng.standard_normal(3), -3, 3))
    tumour_water, adenoma_water, nodule_water = (float(w) for w in waters)

    def t2(name: str) -> float:
        return relaxation.t2_star(name, field_strength)

    def scaled(tissue: TissueKinetics) -> TissueKinetics:
        return tissue.model_copy(update={"ktrans_per_min": tissue.ktrans_per_min * lesions})

    # A delayed rim is slower than what it surrounds; else the rim is the faster tissue.
    rim, core = kinetics.rim, kinetics.core
    if pattern == "delayed_rim":
        rim, core = kinetics.delayed, kinetics.rim
    grade = _GRADES.index(background)
    gland = TissueKinetics(
        ktrans_per_min=parameters.background.ktrans_per_min[grade],
        ve=parameters.background.ve,
        vp=parameters.background.vp[grade],
        delay_s=parameters.background.delay_s,
    )
    blood = TissueKinetics(
        ktrans_per_min=1e-4, ve=0.05, vp=1 - haematocrit, vp_gsd=1.0, delay_s=gland.delay_s
    )
    as_gland = TissueFacts(t1["gland"], t2("gland"), water, gland, textured=True)
    fat, inert = relaxation.fat_density, kinetics.inert
    return {
        Tissue.SKIN: TissueFacts(t1["skin"], t2("skin"), water, kinetics.skin),
        Tissue.FAT: TissueFacts(t1["fat"], t2("fat"), fat, kinetics.fat),
        Tissue.GLAND: as_gland,
        Tissue.MUSCLE: TissueFacts(t1["muscle"], t2("muscle"), water, kinetics.muscle),
        Tissue.TUMOUR_RIM: TissueFacts(
            tumour_t1, t2("gland"), tumour_water, scaled(rim), textured=True
        ),
        Tissue.TUMOUR_CORE: TissueFacts(
            tumour_t1, t2("gland"), tumour_water, scaled(core), textured=True
        ),
        Tissue.NECROSIS: TissueFacts(
            t1["necrosis"], t2("necrosis"), tumour_water, kinetics.necrosis
        ),
        Tissue.FIBROADENOMA: TissueFacts(
            adenoma_t1, t2("gland"), adenoma_water, scaled(kinetics.fibroadenoma), textured=True
        ),
        Tissue.CYST: TissueFacts(t1["cyst"], t2("cyst"), water, inert),
        Tissue.NODULE: TissueFacts(nodule_t1, t2("gland"), nodule_water, inert, textured=True),
        Tissue.VESSEL: TissueFacts(t1["blood"], t2("blood"), water, blood),
        Tissue.LIGAMENT: TissueFacts(t1["gland"], t2("skin"), water, kinetics.skin),
        Tissue.DUCT: as_gland,
    }


def _uptake(rng: np.random.Generator, uptake: UptakeParameters, last_s: float) -> UptakeTable:
    times = np.arange(0.0, last_s + 2.0, 1.0)
    arrival = uptake.arrival_s.draw(rng)
    share = uptake.parker_share.draw(rng)
    plasma = share * parker_aif(times, arrival) / (1 - uptake.haematocrit.draw(rng))
    plasma += (1 - share) * weinmann_aif(times, arrival)
    plasma *= np.exp(uptake.dose_ln_sd * np.clip(rng.standard_normal(), -2.5, 2.5))
    return UptakeTable.build(times, plasma)


def voxel_kinetics(
    patient: Physiology,
    tissue: Tissue,
    logs: tuple[Float, Float, Float, Float],
    voxels: np.ndarray[tuple[int], np.dtype[np.intp]],
) -> VoxelKinetics:
    """What the voxels with these flat indices would be if they were all of `tissue`."""
    facts = patient.tissues[tissue]
    k = facts.kinetics
    ktrans = k.ktrans_per_min * np.exp(np.float32(np.log(k.ktrans_gsd)) * logs[0][voxels])
    ve = np.clip(k.ve * np.exp(np.float32(np.log(k.ve_gsd)) * logs[1][voxels]), 0.02, 0.95)
    vp = np.minimum(k.vp * np.exp(np.float32(np.log(k.vp_gsd)) * logs[2][voxels]), 0.95 - ve)
    t1 = np.full(voxels.size, facts.t1_s)
    if facts.textured:
        t1 *= np.exp(patient.t1_texture_ln_sd * logs[3][voxels])
    ktrans, ve, vp, t1 = (a.astype(np.float32) for a in (ktrans, np.asarray(ve), vp, t1))
    return VoxelKinetics(ktrans, ve, vp, t1)
