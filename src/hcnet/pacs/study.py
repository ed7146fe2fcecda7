"""Studies, and what is asked of a server to find them."""

import datetime
import re
from dataclasses import dataclass
from typing import Self

from pydicom.dataset import Dataset

from hcnet.errors import ConfigError
from hcnet.pacs.uids import is_uid
from hcnet.volumes.dicom.values import integer, items_of, quiet, text, value_of

_DATE = re.compile(r"(\d{8})?(-)?(\d{8})?")
_ID_LENGTH = 64
_SHOWN = 80


@dataclass(frozen=True)
class Query:
    """What the studies looked for have in common; None where it does not matter.

    Attributes:
        study: Study Instance UID.
        patient: PatientID; `*` and `?` stand for other characters.
        date: YYYYMMDD, or a range YYYYMMDD-YYYYMMDD, of which either end may be left out.
    """

    study: str | None = None
    patient: str | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        if self.study is not None and not is_uid(self.study):
            raise ConfigError(f"--study {self.study}: is no UID; it has digits and dots only.")
        if self.patient is not None and not _is_id(self.patient):
            raise ConfigError(
                f"--patient {self.patient!r}: is no PatientID; it has 1 to 64 characters, no "
                "backslash among them."
            )
        if self.date is not None:
            _check_date(self.date)
        if self.study is None and self.patient is None and self.date is None:
            raise ConfigError("nothing is asked for; give --study, --patient or --date.")

    def __str__(self) -> str:
        named = (("study", self.study), ("patient", self.patient), ("date", self.date))
        return ", ".join(f"{name} {value}" for name, value in named if value is not None)

    @property
    def keys(self) -> dict[str, str]:
        """The matching keys, by keyword."""
        keys = {
            "StudyInstanceUID": self.study,
            "PatientID": self.patient,
            "StudyDate": self.date,
        }
        return {name: value for name, value in keys.items() if value is not None}

    def matches(self, study: "Study") -> bool:
        """Whether a study is one that was asked for; servers ignore keys they do not know."""
        return (
            self.study in (None, study.uid)
            and (self.patient is None or _like(self.patient, study.patient))
            and (self.date is None or _within(self.date, study.date))
        )


@dataclass(frozen=True)
class Study:
    """A study as a server lists it; everything but `uid` may be empty.

    Attributes:
        uid: Study Instance UID, a legal one.
        patient: PatientID, as the server has it.
        name: of the patient.
        date: YYYYMMDD.
        description: of the study.
        modalities: of its series.
        instances: how many there are; None if the server does not say.
    """

    uid: str
    patient: str
    name: str
    date: str
    description: str
    modalities: tuple[str, ...]
    instances: int | None

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> Self | None:
        """The study of an answer; None if it has no legal UID."""
        with quiet():
            uid = text(dataset, "StudyInstanceUID")
            if not is_uid(uid):
                return None
            modalities = (str(m) for m in items_of(value_of(dataset, "ModalitiesInStudy")))
            return cls(
                uid=uid,
                patient=text(dataset, "PatientID"),
                name=shown(text(dataset, "PatientName")),
                date=shown(text(dataset, "StudyDate")),
                description=shown(text(dataset, "StudyDescription")),
                modalities=tuple(shown(m) for m in modalities if m),
                instances=integer(dataset, "NumberOfStudyRelatedInstances"),
            )

    def __str__(self) -> str:
        described = f", {self.description}" if self.description else ""
        return f"{self.uid} ({self.date or 'undated'}, patient {shown(self.patient)}{described})"


def shown(words: str) -> str:
    """Text of a server as it may go to a terminal: short, without control characters."""
    cleaned = "".join(c if c.isprintable() else "?" for c in words[: _SHOWN + 1])
    return cleaned if len(cleaned) <= _SHOWN else f"{cleaned[:_SHOWN]}..."


def _is_id(patient: str) -> bool:
    return (
        patient.strip() != "" and len(patient) <= _ID_LENGTH
        and patient.isprintable() and "\\" not in patient
    )  # fmt: skip


def _check_date(date: str) -> None:
    match = _DATE.fullmatch(date)
    ends = [] if match is None else [end for end in match.group(1, 3) if end]
    try:
        days = [datetime.datetime.strptime(end, "%Y%m%d") for end in ends]
    except ValueError:
        days = []
    sole = "-" not in date and len(days) == 2
    if not days or sole or days != sorted(days):
        raise ConfigError(f"--date {date}: give YYYYMMDD, or a range such as 20240101-20240331.")


def _like(pattern: str, value: str) -> bool:
    parts = {"*": ".*", "?": "."}
    expression = "".join(parts.get(c, re.escape(c)) for c in pattern.strip())
    return re.fullmatch(expression, value, re.DOTALL) is not None


def _within(date: str, day: str) -> bool:
    first, dash, last = date.partition("-")
    if not dash:
        last = first
    return bool(day) and (first or day) <= day <= (last or day)
