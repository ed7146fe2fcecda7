"""The parameter set of the phantom: its form here, values and sources in `parameters.toml`."""

import functools
import tomllib
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hcnet.cohorts.phantom.distributions import LogNormal, Normal, Uniform, Weighted

FILE = "parameters.toml"

Like = Literal["ispy1", "duke"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BreastParameters(_Frozen):
    """Outline of one breast on the chest wall."""

    depth_mm: Uniform
    half_width_mm: Uniform
    height_to_width: Uniform
    profile_exponent: Uniform
    droop: Uniform
    chest_tilt: Uniform
    chest_radius_mm: Uniform
    subcutaneous_mm: Uniform
    skin_mm: Uniform
    pectoral_mm: Uniform
    outline_noise_mm: float


class GlandParameters(_Frozen):
    """Fibroglandular tissue as a thresholded random field, and the ligaments around it."""

    premenopausal_probability: float
    density_pre: Weighted[str]
    density_post: Weighted[str]
    fraction: tuple[float, float, float, float]
    fraction_ln_sd: float
    spectrum_exponent: Uniform
    outer_scale_mm: float
    stretch_to_nipple: Uniform
    edge_softness: float
    t1_texture_ln_sd: float
    ligament_mm: Uniform
    ligament_spacing_mm: Uniform


class TubeParameters(_Frozen):
    """Vessels and milk ducts."""

    vessels: Uniform
    vessel_radius_mm: Uniform
    ducts: Uniform
    duct_radius_mm: Uniform


class LesionParameters(_Frozen):
    """Shape, size and place of tumours, and of the decoys from the same sampler."""

    lesion_free_probability: float
    ispy1_ml: LogNormal
    duke_ml: LogNormal
    largest_share_of_breast: float
    n_foci: Weighted[int]
    highest_degree: float
    lobulation: Uniform
    axis_ln_sd: float
    surface_noise_mm: Uniform
    spicule_probability: float
    spicules: Uniform
    spicule_length: Uniform
    spicule_radius_mm: Uniform
    rim_share: Uniform
    pattern: Weighted[str]
    necrosis_probability: float
    necrosis_from_mm: float
    residual_fat: Uniform
    decoys_mean: float
    decoy_kind: Weighted[str]
    decoy_ml: LogNormal


class ReaderParameters(_Frozen):
    """How a reader's outline and box differ from the truth."""

    jitter_share: float
    jitter_correlation_mm: float
    box_margin_mm: Uniform


class T1Parameters(_Frozen):
    """T1 at one field strength; seconds, spread between patients."""

    fat: Normal
    gland: Normal
    muscle: Normal
    blood: Normal
    skin: Normal
    necrosis: Normal
    cyst: Normal


class RelaxationParameters(_Frozen):
    """Relaxation and water content; seconds."""

    water_density: float
    fat_density: float
    lesion_density_ln_sd: float
    tumour_t1_to_gland: LogNormal
    fibroadenoma_t1_to_gland: LogNormal
    nodule_t1_to_gland: LogNormal
    t2_star_s: dict[str, float]
    t2_star_at_low_field: float
    t1_at_1_5: T1Parameters
    t1_at_3: T1Parameters

    def t1(self, field_strength: float) -> T1Parameters:
        """T1 at 1.5 or 3 T."""
        return self.t1_at_1_5 if field_strength < 2 else self.t1_at_3

    def t2_star(self, tissue: str, field_strength: float) -> float:
        """T2* in seconds at 1.5 or 3 T."""
        factor = self.t2_star_at_low_field if field_strength < 2 else 1.0
        return self.t2_star_s[tissue] * factor


class TissueKinetics(_Frozen):
    """Extended Tofts parameters: their medians, and geometric SDs over a tissue's voxels."""

    ktrans_per_min: float
    ve: float
    vp: float
    ktrans_gsd: float = 1.3
    ve_gsd: float = 1.2
    vp_gsd: float = 1.4
    delay_s: float = 10.0


class KineticParameters(_Frozen):
    """Uptake of the tissues."""

    rim: TissueKinetics
    core: TissueKinetics
    delayed: TissueKinetics
    necrosis: TissueKinetics
    fibroadenoma: TissueKinetics
    inert: TissueKinetics
    fat: TissueKinetics
    muscle: TissueKinetics
    skin: TissueKinetics


class BackgroundParameters(_Frozen):
    """Background enhancement of the gland, by grade."""

    pre: Weighted[str]
    post: Weighted[str]
    ktrans_per_min: tuple[float, float, float, float]
    vp: tuple[float, float, float, float]
    ve: float
    delay_s: float


class UptakeParameters(_Frozen):
    """The blood that feeds a patient's tissues, the agent, and how both vary."""

    patient_ktrans_ln_sd: float
    correlation_mm: Uniform
    parker_share: Uniform
    dose_ln_sd: float
    haematocrit: Normal
    arrival_s: Uniform
    relaxivity_1_5: float
    relaxivity_3: float

    def relaxivity(self, field_strength: float) -> float:
        """Longitudinal relaxivity at 1.5 or 3 T, per s per mM."""
        return self.relaxivity_1_5 if field_strength < 2 else self.relaxivity_3


class ProtocolParameters(_Frozen):
    """How one collection's exams are made."""

    field_strength: Weighted[str]
    tr_s: Uniform
    te_s: Uniform
    flip_deg: Uniform
    n_post: Weighted[int]
    first_post_s: Uniform
    post_step_s: Uniform
    pre_s: Uniform
    old_pre_probability: float
    in_plane_mm: Uniform
    slice_mm: Uniform


class FaultParameters(_Frozen):
    """What goes wrong in an exam."""

    fat_suppression_probability: float
    fat_residual: Uniform
    fat_failure_threshold: float
    snr_gland: Uniform
    bias_ln_sd: float
    coil_mm: Uniform
    flip_scale: Normal
    flip_scale_local_sd: float
    gland_units: Uniform
    motion_mm_sd: float
    motion_at_chest_mm: float
    motion_correlation_mm: float
    zero_fill_probability: float
    zero_fill_share: Uniform
    window_share: Uniform


class PhantomParameters(_Frozen):
    """Everything above, as one value that is written beside the cohort."""

    version: int
    breast: BreastParameters
    gland: GlandParameters
    tubes: TubeParameters
    lesion: LesionParameters
    reader: ReaderParameters
    relaxation: RelaxationParameters
    kinetics: KineticParameters
    background: BackgroundParameters
    uptake: UptakeParameters
    protocol: dict[Like, ProtocolParameters]
    faults: FaultParameters


@functools.cache
def frozen_parameters() -> PhantomParameters:
    """The values that come with the package."""
    text = (resources.files("hcnet.cohorts.phantom") / FILE).read_text(encoding="utf-8")
    return PhantomParameters.model_validate(tomllib.loads(text))
