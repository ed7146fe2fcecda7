"""A synthetic breast DCE-MRI cohort: anatomy, contrast kinetics, signal and noise, with the truth.

A first version: sagittal, unilateral, 1.5 T exams. One file a concern: `parameters` (what is drawn
from), `anatomy` and `lesion` (where which tissue is), `physiology` over `kinetics` (what the tissue
does), `acquisition` over `signal` (what the scanner makes of it), `generate` (one case), `write`
(a cohort).
"""

from hcnet.cohorts.phantom.generate import PhantomCase, PhantomSettings, generate_case
from hcnet.cohorts.phantom.parameters import PhantomParameters
from hcnet.cohorts.phantom.tissue import Tissue
from hcnet.cohorts.phantom.write import write_phantom_cohort

__all__ = [
    "PhantomCase",
    "PhantomParameters",
    "PhantomSettings",
    "Tissue",
    "generate_case",
    "write_phantom_cohort",
]
