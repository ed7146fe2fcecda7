"""The signal of one voxel through the phases, without reading the rest."""

from hcnet.arrays import map_array
from hcnet.errors import InputError
from hcnet.server.exams import Exam
from hcnet.server.look import CURVES, CurveFacts, phase_file
from hcnet.server.models import Curve, Voxel


def curve_at(exam: Exam, voxel: Voxel) -> Curve:
    """The curve of a voxel of the pre-contrast image.

    Args:
        exam: one that was read.
        voxel: indices along the image's own axes, from 0.

    Raises:
        InputError: the exam was not read yet, or the voxel lies outside the image.
    """
    if not exam.ready:
        raise InputError(f"{exam.name}: is not read yet.")
    facts = CurveFacts.model_validate_json((exam.looked / CURVES).read_bytes())
    if any(not 0 <= index < n for index, n in zip(voxel, facts.shape, strict=True)):
        raise InputError(f"{exam.name}: has no voxel {voxel}; its size is {facts.shape}.")
    signal = []
    for phase in range(facts.phases):
        array = map_array(exam.looked / phase_file(phase))
        signal.append(float(array[voxel]))
    base = signal[0]
    return Curve(
        voxel=voxel,
        times_s=None if facts.times_s is None else list(facts.times_s),
        times_from=facts.times_from,
        signal=signal,
        enhancement=[(value - base) / base for value in signal] if base > 0 else None,
    )
