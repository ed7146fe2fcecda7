"""From the networks' probability to one that was fitted to how often they are right."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit, logit

from hcnet.settings import Settings

SURE = 1e-7
"""Probabilities are kept this far from 0 and 1, where their logit ends."""


class Calibration(Settings):
    """sigmoid(logit(p) / temperature + offset): a line through the logits.

    A temperature above 1 makes the networks less sure, an offset below 0 makes tumour rarer.
    `hcnet.evaluation.calibration` fits both. Sources: Platt, Advances in Large Margin Classifiers
    (1999), pages 61-74; temperature alone: Guo et al., ICML 2017.
    """

    temperature: float = Field(gt=0, allow_inf_nan=False)
    offset: float = Field(0.0, allow_inf_nan=False)

    def of(self, probability: NDArray[Any]) -> NDArray[np.float32]:
        """Calibrated probability of the same shape; it grows with the one given."""
        clipped = np.clip(probability, SURE, 1 - SURE, dtype=np.float64)
        calibrated: NDArray[np.float32] = expit(
            logit(clipped) / self.temperature + self.offset
        ).astype(np.float32)
        return calibrated
