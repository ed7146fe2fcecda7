"""A synthetic breast DCE-MRI cohort: anatomy, contrast kinetics, signal and noise, with the truth.

One file a concern. What is drawn from: `parameters` (values and sources in `parameters.toml`),
`distributions`, `fields`. The patient: `anatomy` with `tubes`, `lesion` over `shape`, `physiology`
over `kinetics`. The exam: `protocol`, `layout`, `acquisition` over `signal`, `artefacts`, `reader`.
Together: `generate` (one case), `facts`, `write` (a cohort), `freeze` (which version this is),
`describe` (what a cohort looks like beside the literature).
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
