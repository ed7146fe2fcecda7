"""What the server tells its child to do, as files, and what the child leaves."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from hcnet.files import write_text

ORDER_FILE = "order.json"
PROGRESS_FILE = "progress.json"


class LookOrder(BaseModel):
    """Look at an exam: `paths` as for `open_case`."""

    model_config = ConfigDict(extra="forbid")

    paths: tuple[str, ...]


class SegmentOrder(BaseModel):
    """Segment an exam."""

    model_config = ConfigDict(extra="forbid")

    paths: tuple[str, ...]
    name: str | None
    bundle: str
    threshold: float | None
    tta: bool


Order = TypeVar("Order", LookOrder, SegmentOrder)


def write_order(folder: Path, order: LookOrder | SegmentOrder) -> None:
    """Leave an order in a folder for the child."""
    write_text(folder / ORDER_FILE, order.model_dump_json(indent=2) + "\n")


def read_order(folder: Path, kind: type[Order]) -> Order:
    """Read the order that lies in a folder."""
    return kind.model_validate_json((folder / ORDER_FILE).read_text(encoding="utf-8"))
