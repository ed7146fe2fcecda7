"""Ways to find the breast in pre-contrast volumes, a batch at a time."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from hcnet.errors import GeometryError, HcnetError, InputError
from hcnet.prepare.breast_mask import breast_mask
from hcnet.prepare.breast_models.model_folder import ModelFolder
from hcnet.prepare.breast_models.program import run_program
from hcnet.volumes.nifti import read_nifti, write_nifti
from hcnet.volumes.volume import Volume, from_canonical, to_canonical


class Finder(Protocol):
    """A way to find the breast."""

    @property
    def batch(self) -> int:
        """How many volumes are best given at once."""
        ...

    def find(self, images: Sequence[Volume]) -> list[Volume | HcnetError]:
        """Find the breast in each volume.

        Args:
            images: pre-contrast volumes, checked, in any orientation.

        Returns:
            for each a uint8 mask (0 and 1, not empty) on its own grid, or why there is none.

        Raises:
            InputError: nothing can be found in any of them.
        """
        ...


@dataclass(frozen=True)
class Classical:
    """`hcnet.prepare.breast_mask`: no training, no weights."""

    batch: int = 1

    def find(self, images: Sequence[Volume]) -> list[Volume | HcnetError]:
        """As `Finder`."""
        return [_classical(image) for image in images]


@dataclass(frozen=True)
class Nnunet:
    """A trained nnU-Net; several labels of it are joined.

    Attributes:
        program: nnU-Net's program.
        model: a folder the user trusts.
        log: where the program's words are kept if it fails.
        device: cuda, cpu or mps.
        mirroring: let mirror images vote.
        batch: volumes per start of the program, which takes some ten seconds.
    """

    program: Path
    model: ModelFolder
    log: Path
    device: str = "cpu"
    mirroring: bool = True
    batch: int = 8

    def find(self, images: Sequence[Volume]) -> list[Volume | HcnetError]:
        """As `Finder`.

        nnU-Net looks at arrays and voxel sizes alone, so that is what it is given: no direction, no
        position and no name leaves for the program, and nothing of its geometry comes back.
        """
        with tempfile.TemporaryDirectory(prefix="hcnet-") as place:
            asked, answered, log = (Path(place) / name for name in ("images", "masks", "log"))
            shown = [to_canonical(image) if self.model.canonical else image for image in images]
            for number, image in enumerate(shown):
                write_nifti(_plain(image), asked / f"CASE{number:03d}_0000{self.model.ending}")
            try:
                run_program(
                    self.program,
                    self.model,
                    asked,
                    answered,
                    device=self.device,
                    mirroring=self.mirroring,
                    log=log,
                )
            except InputError as error:
                raise self._with_log(error, log) from error
            found: list[Volume | HcnetError] = []
            for number, (image, given) in enumerate(zip(images, shown, strict=True)):
                path = answered / f"CASE{number:03d}{self.model.ending}"
                found.append(self._mask(path, given, image))
            return found

    def _with_log(self, error: InputError, log: Path) -> InputError:
        """The same error, with a log that outlives the temporary folder."""
        if not log.is_file():
            return error
        self.log.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, self.log)
        return InputError(str(error).replace(str(log), str(self.log)))

    def _mask(self, path: Path, given: Volume, image: Volume) -> Volume | HcnetError:
        try:
            answer = read_nifti(path)
        except InputError:
            return InputError(f"{self.model.path}: nnU-Net wrote no mask that can be read.")
        difference = _plain(given).grid.difference(answer.grid)
        if difference:
            return GeometryError(f"{self.model.path}: nnU-Net's mask is another's ({difference}).")
        inside = np.isin(answer.data, self.model.labels)
        if not inside.any():
            return InputError(f"{self.model.path}: the model found no breast.")
        mask = given.with_data(inside.astype(np.uint8))
        return from_canonical(mask, image.grid) if self.model.canonical else mask


def _classical(image: Volume) -> Volume | HcnetError:
    canonical = to_canonical(image)
    try:
        mask = breast_mask(canonical)
    except InputError as error:
        return error
    return from_canonical(canonical.with_data(mask.astype(np.uint8)), image.grid)


def _plain(volume: Volume) -> Volume:
    """The array with its voxel size and no other geometry; ITK could not read a sheared one."""
    values = volume.data if volume.data.dtype.itemsize <= 4 else volume.data.astype(np.float32)
    return Volume(values, np.diag([*volume.spacing, 1.0]))
