"""Stands in for nnU-Net's program: what is brighter than 60 is breast, in two labels.

The half of the array with the lower first index gets label 1, the other 2, so that a test can see
which way the array ran. `ask.json` beside the program says how it was called.
"""

import json
import stat
import sys
from pathlib import Path

from hcnet.prepare.breast_models.program import PROGRAM

BRIGHT = 60

_SCRIPT = """#!{python}
import json, pathlib, sys
import nibabel, numpy
words = sys.argv[1:]
place = pathlib.Path(sys.argv[0]).parent
asked, answered, model = (pathlib.Path(words[words.index(f) + 1]) for f in ("-i", "-o", "-m"))
images = sorted(asked.iterdir())
told = [(p.name, nibabel.aff2axcodes(nibabel.load(p).affine)) for p in images]
(place / "ask.json").write_text(json.dumps([words, told]))
mode = (place / "mode").read_text()
print("model", model)
if mode == "fails":
    sys.exit("RuntimeError: the weights do not fit")
answered.mkdir()
for path, wrong in zip(images, ("empty", "cut", "nothing") if mode == "wrong" else [""] * 9):
    image = nibabel.load(path)
    data = image.get_fdata()
    labels = numpy.where(data > {bright}, 2, 0).astype("uint8")
    labels[: data.shape[0] // 2][labels[: data.shape[0] // 2] > 0] = 1
    if wrong == "empty":
        labels[:] = 0
    if wrong == "cut":
        labels = labels[1:]
    if wrong != "nothing":
        name = path.name.replace("_0000.", ".")
        nibabel.save(nibabel.Nifti1Image(labels, image.affine), answered / name)
"""


def write_program(folder: Path, mode: str = "works") -> Path:
    """The folder of programs.

    Args:
        folder: made if needed.
        mode: works; fails; or wrong: the first mask is empty, the second cut, the third missing.
    """
    folder.mkdir(exist_ok=True)
    program = folder / PROGRAM
    program.write_text(_SCRIPT.format(python=sys.executable, bright=BRIGHT))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "mode").write_text(mode)
    return folder


def write_model(folder: Path, labels=None, *, folds=("0",), **facts) -> Path:
    """A model folder with empty checkpoints."""
    folder.mkdir()
    labels = {"background": 0, "breast": 1} if labels is None else labels
    told = {"channel_names": {"0": "pre"}, "labels": labels, "file_ending": ".nii.gz", **facts}
    (folder / "dataset.json").write_text(json.dumps(told))
    (folder / "plans.json").write_text("{}")
    for fold in folds:
        (folder / f"fold_{fold}").mkdir()
        (folder / f"fold_{fold}" / "checkpoint_final.pth").write_bytes(b"")
    return folder
