"""What an exam holds, as JSON values: for `hcnet inspect --json` and the viewer alike."""

from typing import Any

import numpy as np

from hcnet.cohorts.case import Case
from hcnet.cohorts.dicom_exam import ExamDescription


def exam_as_json(description: ExamDescription) -> dict[str, Any]:
    """All that was found in a DICOM exam, as JSON values; lengths in mm, times in seconds."""
    grid = description.grid
    return {
        "kind": "dicom",
        "path": str(description.path),
        "patient": description.patient,
        "study_date": description.study_date,
        "facts": description.facts,
        "series": [
            {
                "number": row.series.number,
                "description": row.series.first.description,
                "images": len(row.series.instances),
                "slices": row.series.positions,
                "size": [row.series.first.columns, row.series.first.rows],
                "spacing_mm": row.series.spacing,
                "orientation": row.series.axis_codes,
                "role": row.role,
                "why": row.why,
            }
            for row in description.series
        ],
        "phases": [
            {
                "phase": index,
                "series": row.series_number,
                "time_s": row.time_s,
                "size": list(grid.shape),
                "spacing_mm": list(grid.spacing),
                "orientation": grid.axis_codes,
                "pre": index == description.pre_index,
                "used": index >= description.pre_index,
                "why": description.pre_why if index == description.pre_index else row.why,
            }
            for index, row in enumerate(description.phases)
        ],
        "dynamic_why": description.dynamic_why,
        "split_why": description.phases[0].why,
        "pre_why": description.pre_why,
        "times_from": description.times_from,
        "times_why": description.times_why,
        "maps": [{"series": m.series_number, "name": m.name} for m in description.maps],
        "segmentations": [
            {
                "series": found.series_number,
                "name": found.name,
                "segments": [{"number": n, "label": label} for n, label in found.segments],
            }
            for found in description.segmentations
        ],
        "skipped_files": description.skipped_files,
        "warnings": list(description.warnings),
    }


def case_as_json(case: Case) -> dict[str, Any]:
    """The phases of a case read from NIfTI, as JSON values; the images are read."""
    phases = []
    warnings = [] if case.doubt is None else [case.doubt]
    for index, source in enumerate(case.phases):
        volume = source.load()
        finite = volume.data[np.isfinite(volume.data)]
        bad = int(volume.data.size - finite.size)
        if bad:
            warnings.append(f"{source.location}: {bad} voxel(s) are NaN or infinite")
        phases.append(
            {
                "phase": index,
                "location": source.location,
                "time_s": None if case.times_s is None else case.times_s[index],
                "size": list(volume.shape),
                "spacing_mm": list(volume.spacing),
                "orientation": volume.grid.axis_codes,
                "type": str(volume.data.dtype),
                "minimum": float(finite.min()) if finite.size else None,
                "maximum": float(finite.max()) if finite.size else None,
                "not_finite": bad,
                "pre": index == 0,
            }
        )
    return {
        "kind": "nifti",
        "name": case.name,
        "phases": phases,
        "times_from": case.times_from,
        "warnings": warnings,
    }
