"""One case from (seed, index): the same whatever else is made, before it or beside it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from hcnet.cohorts.phantom.acquisition import Protocol, acquire, draw_protocol
from hcnet.cohorts.phantom.anatomy import Anatomy, draw_anatomy
from hcnet.cohorts.phantom.fields import Float, Frame
from hcnet.cohorts.phantom.lesion import add_lesions
from hcnet.cohorts.phantom.parameters import PhantomParameters
from hcnet.cohorts.phantom.physiology import Physiology, draw_physiology
from hcnet.cohorts.phantom.tissue import TUMOUR, labels_of, total

_BREAST_OFF_MIDLINE_MM = 90.0
# Voxels, spacing in mm, and how far the image reaches behind the breast's base, mm.
_SIZES = {
    "small": ((48, 64, 64), (2.4, 2.0, 2.0), 22.0),
    "full": ((60, 256, 256), (2.0, 0.8, 0.8), 72.0),
}


class PhantomSettings(BaseModel):
    """What a cohort is made with.

    Attributes:
        size: `small` (48 x 64 x 64 voxels of 2.4 x 2 x 2 mm) or `full` (60 x 256 x 256 of
            2 x 0.8 x 0.8 mm, as in I-SPY1). The same index shows the same breast at either size.
        keep_noise_free: keep the phases without noise as truth.
        parameters: what patients and protocols are drawn from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Literal["small", "full"] = "small"
    keep_noise_free: bool = False
    parameters: PhantomParameters = PhantomParameters()


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """One exam with its truth; arrays are (X, Y, Z) along right, anterior, superior.

    Attributes:
        name: PHANTOM_ and the index.
        phases: (T, X, Y, Z) int16, pre-contrast first.
        affine: (4, 4), voxel index to mm in RAS+.
        times_s: (T,) seconds relative to the injection.
        tumour: bool, voxels of which at least half is malignant tissue.
        breast: bool, the breast with its skin, without the muscle.
        labels: uint8, `Tissue` that most of the voxel is.
        maps: float32 truth: ktrans_per_min, ve, vp, t1_ms.
        noise_free: (T, X, Y, Z) float32 in the phases' unit, or None if not kept.
        facts: what a real exam's record would tell.
        hidden: what only the generator knows.
    """

    name: str
    phases: NDArray[np.int16]
    affine: NDArray[np.float64]
    times_s: tuple[float, ...]
    tumour: NDArray[np.bool_]
    breast: NDArray[np.bool_]
    labels: NDArray[np.uint8]
    maps: dict[str, Float]
    noise_free: Float | None
    facts: dict[str, Any]
    hidden: dict[str, Any]


def case_name(index: int) -> str:
    """Name of the case with this index."""
    return f"PHANTOM_{index:04d}"


def generate_case(seed: int, index: int, settings: PhantomSettings | None = None) -> PhantomCase:
    """Make one case.

    Args:
        seed: of the cohort.
        index: of the case in it.
        settings: None for the defaults.

    Raises:
        ValueError: a negative seed or index.
    """
    settings = settings or PhantomSettings()
    parameters = settings.parameters
    # One stream a concern, so that a change in one leaves the others' draws alone.
    streams = np.random.default_rng([seed, index]).spawn(5)
    anatomy_rng, lesion_rng, patient_rng, protocol_rng, noise_rng = streams
    frame, behind = _frame(settings.size)
    anatomy = draw_anatomy(anatomy_rng, frame, parameters.breast, parameters.gland)
    fractions = add_lesions(lesion_rng, frame, anatomy, parameters.lesion)
    patient = draw_physiology(patient_rng, parameters, premenopausal=anatomy.premenopausal)
    protocol = draw_protocol(protocol_rng, parameters.protocol)
    relaxivity = parameters.relaxation.relaxivity_per_s_mm
    exam = acquire(noise_rng, frame, anatomy, fractions, patient, protocol, relaxivity)
    return PhantomCase(
        name=case_name(index),
        phases=exam.phases,
        affine=_affine(frame, anatomy.side),
        times_s=protocol.times_s,
        tumour=np.asarray(total(fractions, TUMOUR) >= 0.5),
        breast=anatomy.breast,
        labels=labels_of(fractions),
        maps=exam.maps,
        noise_free=exam.noise_free if settings.keep_noise_free else None,
        facts=_facts(anatomy, protocol),
        hidden=_hidden(seed, index, behind, patient, protocol, exam.sigma),
    )


def _frame(size: Literal["small", "full"]) -> tuple[Frame, float]:
    shape, spacing, behind = _SIZES[size]
    x, y, z = (
        (np.arange(n, dtype=np.float32) - (n - 1) / 2) * np.float32(step)
        for n, step in zip(shape, spacing, strict=True)
    )
    return Frame(x, y - y[0] - np.float32(behind), z), behind


def _affine(frame: Frame, side: int) -> NDArray[np.float64]:
    affine = np.diag([*frame.spacing, 1.0])
    # The isocentre lies at the middle of the chest's width; the breast is off to its side.
    affine[:3, 3] = frame.x[0] + side * _BREAST_OFF_MIDLINE_MM, frame.y[0], frame.z[0]
    return affine


def _facts(anatomy: Anatomy, protocol: Protocol) -> dict[str, Any]:
    return {
        "clinical_data": {
            "menopausal_status": "pre" if anatomy.premenopausal else "post",
            "breast_density": anatomy.density,
        },
        "primary_lesion": {"laterality": "right" if anatomy.side > 0 else "left"},
        "imaging_data": {
            "bilateral": False,
            "field_strength": 1.5,
            "repetition_time": round(1000 * protocol.tr_s, 1),
            "echo_time": round(1000 * protocol.te_s, 1),
            "flip_angle": protocol.flip_deg,
            "fat_suppressed": protocol.fat_suppressed,
            "acquisition_plane": "sagittal",
        },
    }


def _hidden(
    seed: int,
    index: int,
    behind: float,
    patient: Physiology,
    protocol: Protocol,
    sigma: float,
) -> dict[str, Any]:
    return {
        "seed": seed,
        "index": index,
        "behind_base_mm": behind,
        "noise_sigma": sigma,
        "background_enhancement": patient.background,
        "fat_residual": protocol.fat_residual if protocol.fat_suppressed else 1.0,
        "flip_scale": protocol.flip_scale,
        "tissues": {
            tissue.name.lower(): {
                "t1_s": facts.t1_s,
                "t2_star_s": facts.t2_star_s,
                "density": float(facts.density),
                **facts.kinetics.model_dump(),
            }
            for tissue, facts in patient.tissues.items()
        },
    }
