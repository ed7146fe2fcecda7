"""The generator is the one that its version says."""

from importlib import resources

import pytest

from hcnet.cohorts.phantom import freeze
from hcnet.cohorts.phantom.parameters import frozen_parameters


def test_code_and_values_are_those_of_the_frozen_version() -> None:
    version = frozen_parameters().version
    assert freeze.frozen_hashes()[version] == freeze.generator_hash(), (
        "the phantom's code or values changed: raise `version` in parameters.toml and add its hash "
        "to frozen.toml, so that older benchmarks keep their meaning"
    )


def test_every_part_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = freeze.generator_hash()
    monkeypatch.setattr(freeze, "PARTS", freeze.PARTS[:-1])
    assert freeze.generator_hash() != before


def test_no_file_that_makes_a_case_is_left_out() -> None:
    folder = resources.files("hcnet.cohorts.phantom")
    sources = {p.name for p in folder.iterdir() if p.name.endswith((".py", ".toml"))}
    assert sources - set(freeze.PARTS) == {
        "__init__.py",
        "facts.py",
        "freeze.py",
        freeze.RECORD,
        "write.py",
    }
