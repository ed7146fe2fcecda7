"""A 6-phase exam from its DICOM zip to the arrays that training reads.

Reference: `unzip`, dcm2niix and TorchIO as one would write it, both tools at their fastest settings
(uncompressed NIfTI, no sidecars, uncompressed results). The breast mask is no part of either tool:
both sides compute the same one with our function, within the time. Both cut the same box, resample
to the same grid and normalise within the same mask. Ours also hashes the exam and every array, as
the cache does. Timed from the zip to the last file, in fresh processes, without their imports: a
cohort is prepared in one process.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from exam_zip import PHASES, exam_zip
from numpy.typing import NDArray
from timing import Row, clock, contender, processes, report

GOAL = 3.0


def measure(options: Any) -> list[Row]:
    """One row: the reference against ours."""
    exam = exam_zip(options.work)
    theirs, ours = (options.work / f"prepared-{name}" for name in ("reference", "ours"))
    commands = {
        name: contender(__file__, name, str(exam), str(out))
        for name, out in {"reference": theirs, "ours": ours}.items()
    }
    runs = processes(commands, options.rounds, warm_up=1)
    row = Row(
        work=f"prepare a {PHASES}-phase exam, DICOM zip to cache",
        reference="dcm2niix + TorchIO",
        ours="",
        reference_runs=runs["reference"],
        our_runs=runs["ours"],
        goal=GOAL,
        agreement=_agreement(theirs, ours),
        note="breast mask on both sides by ours",
    )
    for folder in (theirs, ours):
        shutil.rmtree(folder)
    return [row]


def reference(exam: Path, out: Path) -> None:
    """Unpack, convert, reorient, find the breast, crop, resample, normalise, save."""
    import dcm2niix
    import torch
    import torchio as tio

    from hcnet.prepare.breast_mask import breast_mask
    from hcnet.prepare.frame import frame_around
    from hcnet.prepare.settings import PrepareConfig
    from hcnet.volumes.volume import Volume

    settings = PrepareConfig()
    started = clock()
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        dicom, nifti = Path(folder, "dicom"), Path(folder, "nifti")
        shutil.unpack_archive(exam, dicom, "zip")
        nifti.mkdir()
        convert = ["-z", "n", "-b", "n", "-f", "%s", "-o", str(nifti), str(dicom)]
        subprocess.run([dcm2niix.bin, *convert], check=True, capture_output=True)
        subject = tio.Subject(
            {
                f"phase{number}": tio.ScalarImage(nifti / f"{number + 1}.nii")
                for number in range(PHASES)
            }
        )
        subject = tio.ToCanonical()(subject)
        pre = subject["phase0"]
        canonical = Volume(pre.numpy()[0], pre.affine)
        inside = breast_mask(canonical)
        frame = frame_around(inside, canonical.grid, settings.margin_mm, settings.spacing_mm)
        # One voxel more than the box on each side, so that its border interpolates as ours does.
        margins = [
            margin
            for part, size in zip(frame.box, canonical.shape, strict=True)
            for margin in (max(0, part.start - 1), max(0, size - part.stop - 1))
        ]
        mask = torch.from_numpy(inside[None].astype(np.float32))
        subject.add_image(tio.ScalarImage(tensor=mask, affine=pre.affine), "breast")
        transform = tio.Compose(
            [
                tio.Crop(margins),
                tio.Lambda(lambda image: image.float()),
                tio.Resample((frame.grid.shape, frame.grid.affine)),
            ]
        )
        subject = transform(subject)
        breast = subject["breast"].data >= 0.5
        image = tio.Subject(
            image=tio.ScalarImage(tensor=subject["phase0"].data, affine=frame.grid.affine),
            breast=tio.LabelMap(tensor=breast, affine=frame.grid.affine),
        )
        normalise = tio.Compose(
            [
                tio.RescaleIntensity(percentiles=(0.5, 99.5), masking_method="breast"),
                tio.ZNormalization(masking_method="breast"),
            ]
        )
        normalised = normalise(image)["image"].numpy()[0]
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        phases = np.stack([subject[f"phase{number}"].numpy()[0] for number in range(PHASES)])
        np.save(out / "phases.npy", phases)
        np.save(out / "image.npy", normalised)
        np.save(out / "breast.npy", breast.numpy()[0].astype(np.uint8))
    report(clock() - started)


def ours(exam: Path, out: Path) -> None:
    """What `hcnet train` does with each case."""
    from hcnet.cohorts.open import open_case
    from hcnet.prepare.cache import cached_case
    from hcnet.prepare.settings import PrepareConfig

    shutil.rmtree(out, ignore_errors=True)
    started = clock()
    cached_case(open_case(exam), PrepareConfig(), out)
    report(clock() - started)


def _agreement(theirs: Path, ours: Path) -> str:
    """Largest differences, as shares of the largest value, and voxels of the mask that differ."""
    (entry,) = [folder for folder in ours.iterdir() if folder.is_dir()]
    apart = {name: _apart(theirs / name, entry / name) for name in ("phases.npy", "image.npy")}
    masks = [np.load(folder / "breast.npy") for folder in (theirs, entry)]
    return (
        f"phases {apart['phases.npy']:.0e}, image {apart['image.npy']:.0e}, "
        f"mask {int((masks[0] != masks[1]).sum())} voxels"
    )


def _apart(one: Path, other: Path) -> float:
    a, b = (np.load(path, mmap_mode="r") for path in (one, other))
    if a.shape != b.shape:
        raise SystemExit(f"{one} has shape {a.shape} and {other} {b.shape}.")
    largest = max(_largest(x - y) for x, y in zip(a, b, strict=True))
    return largest / _largest(b)


def _largest(values: NDArray[np.float32]) -> float:
    return float(np.abs(values).max())


if __name__ == "__main__":
    {"reference": reference, "ours": ours}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
