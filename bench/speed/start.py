"""How long a user waits for the first word: whole processes, as typed at a terminal."""

import sys
from pathlib import Path
from typing import Any

from exam_zip import PHASES, exam_zip
from timing import Row, processes

HELP_S, INSPECT_S = 0.3, 2.0


def measure(options: Any) -> list[Row]:
    """`hcnet --help`, and `hcnet inspect` of a DICOM zip: `--exam`, else the synthetic one."""
    exam = options.exam or exam_zip(options.work)
    hcnet = str(Path(sys.executable).with_name("hcnet"))
    runs = processes(
        {"help": [hcnet, "--help"], "inspect": [hcnet, "inspect", str(exam)]},
        options.rounds,
        warm_up=1,
    )
    what = exam.name if options.exam else f"a synthetic zip of {PHASES} phases"
    return [
        Row("hcnet --help", "", "", [], runs["help"], HELP_S),
        Row(f"hcnet inspect {what}", "", "", [], runs["inspect"], INSPECT_S),
    ]
