"""What an ablation will train: the arms that the data allow, and how much work they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from hcnet.cohorts.case import Case
from hcnet.cohorts.cohort import Cohort
from hcnet.config import Config
from hcnet.errors import ConfigError
from hcnet.studies.ablation.arms import ARMS, BASELINE, MAPS, Arm
from hcnet.studies.budget import BUDGET, OPTIMISATION, updates_of
from hcnet.studies.truth import tissue_file


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        arms: in the order of `ARMS`.
        left_out: why each other arm is not.
        seeds: how many times everything is trained.
        updates: of each network.
        trained_hipms: of each of `hipms`: one a fold and the final one.
        splits: how many times cases are held out, each time others.
        share_maps: stages 1 and 2 of the first seed serve all seeds.
    """

    arms: tuple[Arm, ...]
    left_out: dict[str, str]
    seeds: int
    updates: int
    trained_hipms: int
    splits: int = 1
    share_maps: bool = False

    @property
    def hipms(self) -> tuple[str, ...]:
        """Which of `MAPS` are predicted."""
        return tuple(m for m in MAPS if any(a.maps == m and a.needs_hipm for a in self.arms))

    @property
    def trainings(self) -> int:
        """Networks that are trained, over all seeds; stage 1 not counted."""
        hipms = len(self.hipms) * self.trained_hipms * (1 if self.share_maps else self.seeds)
        return self.splits * (self.seeds * len(self.arms) + hipms)

    def lines(self) -> list[str]:
        """The plan to read."""
        found = [f"{arm.name}: {arm.isolates}" for arm in self.arms]
        found += [f"{name}: left out, {reason}" for name, reason in self.left_out.items()]
        hipms = len(self.hipms) * self.trained_hipms
        shared = ", HIPM of the first seed alone" if self.share_maps else ""
        found.append(
            f"{self.seeds} seed(s) x {self.splits} split(s) x ({len(self.arms)} arms + {hipms} "
            f"HIPM){shared} = "
            f"{self.trainings} trainings x {self.updates} steps = "
            f"{self.trainings * self.updates} steps"
        )
        return found


def make_plan(
    cohort: Cohort,
    tests: Sequence[Sequence[Case]],
    extra: Cohort | None,
    config: Config,
    seeds: int,
    names: Sequence[str] | None = None,
    share_maps: bool = False,
) -> Plan:
    """Choose the arms and check that all of them get the same budget.

    Args:
        cohort: cases with masks.
        tests: those of them that are held out, split by split.
        extra: cases whose masks are not read.
        config: settings.
        seeds: how many times everything is trained.
        names: of arms; None takes all that the data allow. The baseline is always among them.
        share_maps: see `Plan`.

    Raises:
        ConfigError: an unknown arm, an arm that the data do not allow, or settings of stages 2
            and 3 that give them another budget.
    """
    updates = updates_of(config, (*BUDGET, *OPTIMISATION))
    missing = _missing(cohort, min(tests, key=len), extra)
    known = [arm.name for arm in ARMS]
    for name in names or ():
        if name not in known:
            raise ConfigError(f"there is no arm {name}; there are: {', '.join(known)}.")
        if name in missing:
            raise ConfigError(f"arm {name} cannot be trained: {missing[name]}.")
    wanted = {*names, BASELINE} if names else set(known) - set(missing)
    return Plan(
        tuple(arm for arm in ARMS if arm.name in wanted),
        {name: missing.get(name, "not asked for") for name in known if name not in wanted},
        seeds,
        updates,
        len(config.hipm.trainings),
        len(tests),
        share_maps,
    )


def _missing(cohort: Cohort, test: Sequence[Case], extra: Cohort | None) -> dict[str, str]:
    """Why the data do not allow an arm."""
    found = {}
    for arm in ARMS:
        if arm.needs_extra and extra is None:
            found[arm.name] = "it learns from DCE cases without masks; give them by --extra"
        elif arm.pseudo and extra is not None and not any(map(_has_box, extra.cases)):
            found[arm.name] = f"no case of {extra.root} has a primary_lesion.tumour_box"
        elif arm.guide == "shuffled" and len(test) < 2:
            found[arm.name] = "a single held-out case has no other to take the map of"
        elif arm.guide == "tissue" and not all(
            tissue_file(cohort.root, case.name).is_file() for case in cohort.cases
        ):
            found[arm.name] = f"{cohort.root} has no true tissue labels (truth/CASE/labels.nii.gz)"
    return found


def _has_box(case: Case) -> bool:
    lesion = case.facts.get("primary_lesion")
    return isinstance(lesion, dict) and lesion.get("tumour_box") is not None
