"""What the record of a case tells, and what only the generator knows."""

from collections.abc import Sequence
from typing import Any

from hcnet.cohorts.phantom.anatomy import Build
from hcnet.cohorts.phantom.layout import Side
from hcnet.cohorts.phantom.lesion import Mass
from hcnet.cohorts.phantom.parameters import Like
from hcnet.cohorts.phantom.physiology import Physiology
from hcnet.cohorts.phantom.protocol import Protocol


def facts_of(
    like: Like, build: Build, protocol: Protocol, tumour_sides: Sequence[int], imaged_side: int
) -> dict[str, Any]:
    """Subject and imaging facts, in the words of the MAMA-MIA layout.

    Args:
        like: which collection's exams these resemble.
        build: the patient.
        protocol: the exam.
        tumour_sides: +1 for a tumour on the right, -1 on the left; empty without one.
        imaged_side: which breast was imaged, where it is one.
    """
    bilateral = like == "duke"
    side = tumour_sides[0] if tumour_sides else (0 if bilateral else imaged_side)
    lesion = {"laterality": "right" if side > 0 else "left"} if side else {}
    return {
        "clinical_data": {
            "menopausal_status": "pre" if build.premenopausal else "post",
            "breast_density": build.density,
        },
        "primary_lesion": lesion,
        "imaging_data": {
            "bilateral": bilateral,
            "field_strength": protocol.field_strength,
            "repetition_time": round(1000 * protocol.tr_s, 1),
            "echo_time": round(1000 * protocol.te_s, 1),
            "flip_angle": protocol.flip_deg,
            "fat_suppressed": protocol.fat_suppressed,
            "acquisition_plane": "axial" if bilateral else "sagittal",
        },
    }


def hidden_of(
    seed: int,
    index: int,
    build: Build,
    patient: Physiology,
    protocol: Protocol,
    sigma: float,
    masses: Sequence[tuple[Side, Mass]],
) -> dict[str, Any]:
    """Draws that no real exam's record holds, as JSON values."""
    return {
        "seed": seed,
        "index": index,
        "density": build.density,
        "gland_share": build.gland_share,
        "noise_sigma": sigma,
        "background_enhancement": patient.background,
        "fat_residual": protocol.fat_residual if protocol.fat_suppressed else 1.0,
        "flip_scale": protocol.flip_scale,
        "motion_mm": list(protocol.motion_mm),
        "acquired_share": list(protocol.acquired_share),
        "window_share": protocol.window_share,
        "masses": [
            {
                "kind": mass.kind,
                "side": "right" if side.side > 0 else "left",
                "volume_ml": float((mass.depth_mm > 0).sum()) * side.frame.voxel_ml,
                "foci": mass.foci,
                "spiculated": mass.spiculated,
                "pattern": mass.pattern if mass.kind == "malignant" else None,
            }
            for side, mass in masses
        ],
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
