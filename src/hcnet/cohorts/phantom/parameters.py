"""What patients, lesions and protocols are drawn from: the phantom's one parameter set.

How well each value is supported stands in the comment beside it, as collected for this project and
not checked a second time: [V] read in the named source, [A] read in its abstract, [C] computed from
public data, [M] from memory of the source, [X] an assumption, or a value without a source.
Verify before citing, and vary what is [X]. "DRO" are the digital reference objects
lchenze/DRO_Breast_DCE_MRI and WCM-CancerImaging/DRO-BreastDCEMRI.
"""

from pydantic import BaseModel, ConfigDict

from hcnet.cohorts.phantom.distributions import LogNormal, Normal, Uniform, Weighted

VERSION = 1  # of the values and of the code that uses them: raise it when any case would change


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BreastParameters(_Frozen):
    """Outline of one breast on the chest wall."""

    depth_mm: Uniform = Uniform(low=60, high=90)  # [X] nipple to chest wall, hanging
    half_width_mm: Uniform = Uniform(low=45, high=62)  # [X]
    height_to_width: Uniform = Uniform(low=0.9, high=1.1)  # [X]
    profile_exponent: Uniform = Uniform(low=1.2, high=2.0)  # [X] 1 a paraboloid, 2 an ellipsoid
    droop: Uniform = Uniform(low=0.0, high=0.3)  # [X] descent of the nipple over its depth
    chest_tilt: Uniform = Uniform(low=0.1, high=0.45)  # [X] the chest recedes towards the head
    chest_radius_mm: Uniform = Uniform(low=200, high=500)  # [X] its bulge in the sagittal plane
    subcutaneous_mm: Uniform = Uniform(low=6, high=14)  # [X] fat on the chest around the breast
    skin_mm: Uniform = Uniform(low=1.5, high=2.5)  # [X]
    pectoral_mm: Uniform = Uniform(low=8, high=15)  # [X]
    outline_noise_mm: float = 2.5  # [X]


class GlandParameters(_Frozen):
    """Fibroglandular tissue as a thresholded random field."""

    # Shares of the density grades a to d, before and after the menopause [X].
    density_pre: Weighted[str] = Weighted(
        values=("a", "b", "c", "d"), probabilities=(0.04, 0.19, 0.51, 0.26)
    )
    density_post: Weighted[str] = Weighted(
        values=("a", "b", "c", "d"), probabilities=(0.13, 0.39, 0.39, 0.09)
    )
    premenopausal_probability: float = 0.5  # [X]
    fraction: tuple[float, float, float, float] = (0.05, 0.15, 0.34, 0.60)  # [X] by grade
    fraction_ln_sd: float = 0.2  # [X]
    spectrum_exponent: Uniform = Uniform(low=2.75, high=3.1)  # [X] power of the texture in 3-D
    outer_scale_mm: float = 50.0  # [X]
    stretch_to_nipple: Uniform = Uniform(low=1.3, high=2.0)  # [X]
    edge_softness: float = 0.12  # [X] in standard deviations of the field
    t1_texture_ln_sd: float = 0.05  # [X]


class LesionParameters(_Frozen):
    """Shape, size and place of tumours, and of the benign masses from the same sampler."""

    # I-SPY1 volumes: median 14.7 ml, quartiles 6.6 and 38 [C] BreastDCEDL metadata.
    tumour_ml: LogNormal = LogNormal(median=15.6, ln_sd=1.2, low=0.5, high=150)
    benign_ml: LogNormal = LogNormal(median=1.5, ln_sd=0.8, low=0.2, high=15)  # [X]
    largest_share_of_breast: float = 0.2  # [X]
    n_foci: Weighted[int] = Weighted(values=(1, 2, 3), probabilities=(0.65, 0.20, 0.15))  # [X]
    highest_degree: float = 8.0  # [X] of the lobes over the sphere
    lobulation: Uniform = Uniform(low=0.1, high=0.3)  # [X] share of the radius
    benign_lobulation: Uniform = Uniform(low=0.03, high=0.12)  # [X] smoother than malignant
    axis_ln_sd: float = 0.2  # [X]
    surface_noise_mm: Uniform = Uniform(low=0.5, high=2.5)  # [X]
    rim_share: Uniform = Uniform(low=0.2, high=0.4)  # [X] of the volume-equivalent radius
    necrosis_probability: float = 0.4  # [X] where the diameter is above the next value
    necrosis_from_mm: float = 24.0  # [X]
    residual_fat: Uniform = Uniform(low=0.0, high=0.12)  # [X]
    benign_probability: float = 0.35  # [X] of a benign mass beside the tumour


class RelaxationParameters(_Frozen):
    """Relaxation and water content at 1.5 T; seconds."""

    # Spreads of muscle, skin and necrosis are [X].
    fat_t1: Normal = Normal(mean=0.296, sd=0.013)  # [V] DRO
    gland_t1: Normal = Normal(mean=1.266, sd=0.082)  # [V] DRO
    muscle_t1: Normal = Normal(mean=1.008, sd=0.060)  # [V] DRO
    skin_t1: Normal = Normal(mean=0.850, sd=0.080)  # [V]
    necrosis_t1: Normal = Normal(mean=2.200, sd=0.300)  # [X]
    tumour_t1_to_gland: LogNormal = LogNormal(median=1.051, ln_sd=0.12)  # [X] weak contrast
    benign_t1_to_gland: LogNormal = LogNormal(median=1.030, ln_sd=0.10)  # [X]
    # Fat and gland: measured at 3 T (36 and 22 ms), times 1.3 [X]; the others [X].
    fat_t2_star: float = 0.047
    gland_t2_star: float = 0.029
    muscle_t2_star: float = 0.028
    skin_t2_star: float = 0.020
    necrosis_t2_star: float = 0.050
    water_density: float = 0.80  # [X]
    fat_density: float = 0.90  # [X]
    lesion_density_ln_sd: float = 0.03  # [X]
    relaxivity_per_s_mm: float = 4.1  # [V] gadopentetate at 1.5 T, Rohrer 2005


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
    """Uptake of the tissues, and the blood that feeds them."""

    # All [X], set beside the published ranges [V]: Ktrans of rim and benign masses lies inside
    # 0.041-0.385 and 0.045-0.143 per minute, but ve lies above 0.10-0.30 and 0.14-0.30.
    # The delays of 3, 8 and 15 s (malignant, benign, gland) are [V] DRO.
    rim: TissueKinetics = TissueKinetics(
        ktrans_per_min=0.22, ve=0.35, vp=0.05, ktrans_gsd=1.35, ve_gsd=1.25, vp_gsd=1.5, delay_s=3
    )
    core: TissueKinetics = TissueKinetics(
        ktrans_per_min=0.12, ve=0.40, vp=0.03, ktrans_gsd=1.5, ve_gsd=1.25, vp_gsd=1.6, delay_s=3
    )
    necrosis: TissueKinetics = TissueKinetics(
        ktrans_per_min=0.01, ve=0.40, vp=0.003, ktrans_gsd=2.0, ve_gsd=1.4, delay_s=3
    )
    benign: TissueKinetics = TissueKinetics(
        ktrans_per_min=0.085, ve=0.45, vp=0.03, ktrans_gsd=1.35, ve_gsd=1.3, vp_gsd=1.6, delay_s=8
    )
    fat: TissueKinetics = TissueKinetics(ktrans_per_min=0.002, ve=0.08, vp=0.002, delay_s=15)
    muscle: TissueKinetics = TissueKinetics(ktrans_per_min=0.03, ve=0.12, vp=0.015, delay_s=8)
    skin: TissueKinetics = TissueKinetics(ktrans_per_min=0.03, ve=0.30, vp=0.02, delay_s=15)
    # Background enhancement, minimal to marked [X]. vp lies inside the published 0.01-0.077
    # [V]; Ktrans of the two lower grades lies below the published 0.010-0.035 [V].
    background_pre: Weighted[str] = Weighted(
        values=("minimal", "mild", "moderate", "marked"), probabilities=(0.18, 0.46, 0.26, 0.10)
    )
    background_post: Weighted[str] = Weighted(
        values=("minimal", "mild", "moderate", "marked"), probabilities=(0.44, 0.43, 0.10, 0.03)
    )
    background_ktrans_per_min: tuple[float, float, float, float] = (0.003, 0.008, 0.016, 0.030)
    background_vp: tuple[float, float, float, float] = (0.010, 0.015, 0.020, 0.025)
    gland_ve: float = 0.35  # [X]
    gland_delay_s: float = 15.0  # [V] DRO
    patient_ktrans_ln_sd: float = 0.35  # [X] all lesions of a patient together
    correlation_mm: Uniform = Uniform(low=3, high=8)  # [X] of the parameters in space
    parker_share: Uniform = Uniform(low=0, high=1)  # [X] the rest is Weinmann: decides wash-out
    dose_ln_sd: float = 0.22  # [X]
    haematocrit: Normal = Normal(mean=0.42, sd=0.03)  # [X]
    arrival_s: Uniform = Uniform(low=15, high=30)  # [X] from injection to the breast's arteries


class ProtocolParameters(_Frozen):
    """One sagittal, unilateral 1.5 T exam in the manner of I-SPY1, and its faults."""

    tr_s: Uniform = Uniform(low=0.008, high=0.020)  # [X] I-SPY1 allows TR up to 20 ms
    te_s: Uniform = Uniform(low=0.0042, high=0.0045)  # [X] I-SPY1: 4.5 ms
    flip_deg: Uniform = Uniform(low=20, high=45)  # [X] I-SPY1 allows up to 45
    n_post: Weighted[int] = Weighted(values=(2, 3), probabilities=(0.8, 0.2))  # [X]
    pre_s: Uniform = Uniform(low=-300, high=-60)  # [X] ISPY1_1002 has -280
    post_s: tuple[float, float, float] = (150, 450, 750)  # [X] I-SPY1: early 2.5, late 7.5 min
    post_jitter_s: float = 15.0  # [X]
    fat_suppression_probability: float = 0.9  # [X]
    # [X] Set by eye: fat's short T1 makes it several times as bright as gland, and a first range
    # of 0.05-0.25 hid the gland in many cases.
    fat_residual: Uniform = Uniform(low=0.03, high=0.18)
    fat_failure_threshold: float = 2.0  # [X] SDs of a smooth field above which it fails
    snr_gland: Uniform = Uniform(low=15, high=40)  # [X]
    bias_ln_sd: float = 0.20  # [X] slow receive variation
    coil_mm: Uniform = Uniform(low=90, high=260)  # [X] decay of the coil's reach from the nipple
    flip_scale: Normal = Normal(mean=1.0, sd=0.08)  # [X] transmit error, whole breast
    flip_scale_local_sd: float = 0.05  # [X]
    gland_units: Uniform = Uniform(low=150, high=600)  # [X] mean stored value of gland


class PhantomParameters(_Frozen):
    """Everything above, as one value that is written beside the cohort."""

    version: int = VERSION
    breast: BreastParameters = BreastParameters()
    gland: GlandParameters = GlandParameters()
    lesion: LesionParameters = LesionParameters()
    relaxation: RelaxationParameters = RelaxationParameters()
    kinetics: KineticParameters = KineticParameters()
    protocol: ProtocolParameters = ProtocolParameters()
