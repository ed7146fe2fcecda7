"""A trained nnU-Net v2 model as a folder, checked as far as that goes without running it.

    MODEL/dataset.json, plans.json
    MODEL/fold_0/checkpoint_final.pth, fold_1/ ... or fold_all/

The checkpoints are pickles, and nnU-Net loads them with `torch.load(weights_only=False)`: whoever
made the folder decides what runs. Nothing here opens a checkpoint, and nothing here makes an
unknown folder safe to use.

Facts of the layout: MIC-DKFZ/nnUNet 2.8. Of BreastDivider: its dataset.json and README
(https://huggingface.co/ykirchhoff/BreastDividerModel; Rokuss et al., arXiv 2507.13830): one channel
"MR", labels left 1 and right 2, `fold_all`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hcnet.errors import InputError
from hcnet.files import read_json

CHECKPOINT = "checkpoint_final.pth"
BREAST = "breast"
SIDES = ("left", "right")
"""Labels of BreastDivider."""
ENDINGS = (".nii.gz", ".nii")
"""Of the files that the model wants, and that we can write."""


@dataclass(frozen=True)
class ModelFolder:
    """What has to be known of a model to run it.

    Attributes:
        path: the folder.
        folds: those with a final checkpoint, such as ("0", "1") or ("all",).
        labels: values that are breast.
        ending: of the files that the model wants.
        canonical: it has learned from canonical volumes (R, A, S), as `hcnet export` writes them;
            else volumes are given as they are stored.
    """

    path: Path
    folds: tuple[str, ...]
    labels: tuple[int, ...]
    ending: str
    canonical: bool


def open_model(path: Path, wanted: Sequence[str] | None = None) -> ModelFolder:
    """Read what a model folder says of itself.

    Args:
        path: the folder with dataset.json, plans.json and the folds.
        wanted: names of the labels that together are the breast, all needed; None takes `breast`,
            or the only label there is.

    Raises:
        InputError: it is no model folder, or its model is not one of the breast from the
            pre-contrast phase alone.
    """
    if not path.is_dir():
        raise InputError(f"{path}: there is no such folder; give that of a trained nnU-Net model.")
    for name in ("dataset.json", "plans.json"):
        if not (path / name).is_file():
            raise InputError(
                f"{path}: has no {name}, so it is no trained nnU-Net v2 model; give the folder "
                "that holds dataset.json, plans.json and fold_0 (or fold_all)."
            )
    dataset = path / "dataset.json"
    facts = read_json(dataset)
    if not isinstance(facts, dict):
        raise InputError(f"{dataset}: holds no JSON object.")
    channels = facts.get("channel_names")
    if not isinstance(channels, dict) or len(channels) != 1:
        count = len(channels) if isinstance(channels, dict) else "no"
        raise InputError(
            f"{dataset}: the model wants {count} channels, and a breast mask is made of the "
            "pre-contrast phase alone; train one with `hcnet export nnunet --phases pre`."
        )
    ending = facts.get("file_ending")
    if ending not in ENDINGS:
        raise InputError(
            f"{dataset}: the model wants {ending!r} files, and only {' and '.join(ENDINGS)} can "
            "be written."
        )
    ours = facts.get("hcnet")
    return ModelFolder(
        path=path,
        folds=_folds(path),
        labels=_labels(dataset, facts.get("labels"), wanted),
        ending=str(ending),
        canonical=isinstance(ours, dict) and ours.get("axes") == "RAS",
    )


def _labels(dataset: Path, labels: Any, wanted: Sequence[str] | None) -> tuple[int, ...]:
    if not isinstance(labels, dict) or not all(isinstance(v, int) for v in labels.values()):
        raise InputError(f"{dataset}: its labels are not names with one number each.")
    known: Mapping[str, int] = {str(n).lower(): v for n, v in labels.items() if v != 0}
    if wanted is None:
        # A model of the tumour has one label, too.
        wanted = [BREAST] if BREAST in known or "tumour" in known else list(known)
        if len(wanted) != 1:
            raise InputError(
                f"{dataset}: the model has the labels {', '.join(known) or 'none'}; say by --label "
                "which of them are breast."
            )
    missing = [name for name in wanted if name.lower() not in known]
    if missing:
        raise InputError(
            f"{dataset}: the model has no label {missing[0]}; it has: {', '.join(known) or 'none'}."
        )
    return tuple(known[name.lower()] for name in wanted)


def _folds(path: Path) -> tuple[str, ...]:
    found = sorted(
        each.name.removeprefix("fold_")
        for each in path.glob("fold_*")
        if (each / CHECKPOINT).is_file()
    )
    numbers = tuple(name for name in found if name.isdecimal())
    if not numbers and "all" not in found:
        raise InputError(
            f"{path}: no fold in it has a {CHECKPOINT}; train the model to its end, or copy its "
            "folds (fold_0 ... or fold_all) completely."
        )
    # The folds vote together; one that has learned from all cases stands for itself.
    return numbers or ("all",)
