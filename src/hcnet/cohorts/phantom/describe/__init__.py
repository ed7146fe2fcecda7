"""What a phantom cohort looks like, measured from its files and set beside the literature.

`exam` reads a case with its truth, `measure` measures it with `shape`, `curves` and `contrast`;
`catalogue` says which measures there are, `bands` what is known about them, `summary` and `figure`
set both side by side. A value outside its band is information about the generator, not an error.
"""

from hcnet.cohorts.phantom.describe.cohort import describe_cohort

__all__ = ["describe_cohort"]
