"""A short training of nnU-Net, run by the Python that has it: NUMBER FOLD EPOCHS STEPS.

Predicts the held-out cases of the fold at the end. `nnUNetv2_train` takes no number of
updates. The trainer keeps its own name, by which the program for prediction finds it again.
"""

import sys

import numpy as np
import torch
from nnunetv2.run.run_training import get_trainer_from_args


def main() -> None:
    number, fold, epochs, steps = sys.argv[1:]
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (nnU-Net's patches come from the global state)
    trainer = get_trainer_from_args(
        number, "3d_fullres", int(fold), "nnUNetTrainer", device=torch.device("cpu")
    )
    trainer.num_epochs = int(epochs)
    trainer.num_iterations_per_epoch = int(steps)
    trainer.num_val_iterations_per_epoch = 1
    trainer.run_training()
    trainer.perform_actual_validation()


if __name__ == "__main__":
    main()
