"""Running nnU-Net's own program for prediction.

A program, and not nnunetv2 as a library in this process: nnunetv2 brings a torchvision that often
does not fit the torch of its surroundings, and models want the torch that they were trained with,
so it lives best in an environment of its own. That is one way for all, and whether it works does
not depend on what else is installed here. It is no fence: the program may do all that the user may.
"""

import os
import shutil
import subprocess
from pathlib import Path

from hcnet.errors import InputError, MissingExtraError
from hcnet.prepare.breast_models.model_folder import CHECKPOINT, ModelFolder

PROGRAM = "nnUNetv2_predict_from_modelfolder"
BIN_VARIABLE = "HCNET_NNUNET_BIN"
"""Environment variable: folder of nnU-Net's programs, such as `.venv-nnunet/bin`."""


def find_program(folder: Path | None = None, name: str = PROGRAM) -> Path:
    """Where a program of nnU-Net is.

    Args:
        folder: where to look; None looks in the folder that `BIN_VARIABLE` names, else on PATH.
        name: of the program.

    Raises:
        MissingExtraError: it is not there.
    """
    named = str(folder) if folder is not None else os.environ.get(BIN_VARIABLE) or None
    found = shutil.which(name, path=named)
    if found is None:
        place = f"in {named}" if named else "on PATH"
        raise MissingExtraError(
            f"{name} is not found {place}; install nnunetv2 in an environment of its own, and name "
            f"the folder of its programs by --nnunet or {BIN_VARIABLE} (docs/nnunet.md)."
        )
    return Path(found).absolute()


def run_program(
    program: Path,
    model: ModelFolder,
    images: Path,
    masks: Path,
    *,
    device: str,
    mirroring: bool,
    log: Path,
) -> None:
    """Predict all images of a folder.

    Args:
        program: `PROGRAM`, as a path.
        model: that of a folder the user trusts: its checkpoints are code.
        images: folder with NAME_0000 and the model's ending.
        masks: folder where NAME with that ending will be.
        device: cuda, cpu or mps.
        mirroring: let mirror images vote, as nnU-Net does; eight times the work in 3-D.
        log: file for all that the program says.

    Raises:
        InputError: it cannot be started, or fails; the log stays.
    """
    command = [
        str(program), "-i", str(images), "-o", str(masks), "-m", str(model.path),
        "-f", *model.folds, "-chk", CHECKPOINT, "-device", device,
        # One process each: nnU-Net's three copies of torch and of large exams fill the memory.
        "-npp", "1", "-nps", "1", "--disable_progress_bar",
        *([] if mirroring else ["--disable_tta"]),
    ]  # fmt: skip
    with log.open("w", encoding="utf-8") as stream:
        try:
            ended = subprocess.run(  # noqa: S603 (no shell; the program is the user's own)
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            raise InputError(f"{program}: cannot be started ({error}).") from error
    if ended.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        raise InputError(
            f"{model.path}: nnU-Net could not use the model, exit code {ended.returncode} "
            f"({last[:300]}); see {log}."
        )
