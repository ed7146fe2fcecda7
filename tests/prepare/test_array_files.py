"""Files as `np.save` makes them, whole or part by part, with their hashes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hcnet.prepare.array_files import ArrayFiles


def test_whole_and_in_parts_they_are_what_numpy_saves(tmp_path: Path) -> None:
    phases = np.arange(5 * 4 * 3, dtype=np.float32).reshape(5, 4, 3)
    mask = np.eye(7, dtype=np.uint8)
    with ArrayFiles(tmp_path) as files:
        for number in range(len(phases)):
            files.put("phases", phases, number)
            files.put("mask", mask)  # between the parts, and once more: the last one counts
        digests = files.digests()
    for name, array in (("phases", phases), ("mask", mask)):
        path, expected = tmp_path / f"{name}.npy", tmp_path / "expected.npy"
        np.save(expected, array)
        assert path.read_bytes() == expected.read_bytes()
        assert_array_equal(np.load(path, mmap_mode="r"), array)
        assert digests[name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_cannot_be_written_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), ArrayFiles(tmp_path / "absent") as files:
        files.put("mask", np.zeros(3))
