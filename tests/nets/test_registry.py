"""The registry: names without torch, options that are checked."""

import subprocess
import sys

import pytest

from hcnet.errors import ConfigError
from hcnet.nets.registry import NETWORKS, build_network, network_names, network_options


def test_names_and_references_without_torch_or_monai() -> None:
    code = (
        "import sys; from hcnet.nets.registry import network_names; print(network_names());"
        "sys.exit(bool({'torch', 'monai'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "kisnet" in result.stdout
    assert all(entry.reference for entry in NETWORKS.values())


@pytest.mark.parametrize("name", network_names())
def test_defaults_are_complete(name: str) -> None:
    options = network_options(name, {})
    assert network_options(name, options.model_dump()) == options


def test_unknown_network() -> None:
    with pytest.raises(ConfigError, match=r"no network vnet9; there are: .*resunet"):
        build_network("vnet9", 1, 1)


def test_unknown_option_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"option widht: .*its options are: width"):
        build_network("resunet", 1, 1, {"widht": 8})


@pytest.mark.parametrize("dims", [[16, 32, 64], [0, 1, 2, 3], "wide"])
def test_value_that_does_not_fit(dims: object) -> None:
    with pytest.raises(ConfigError, match="network uxnet: option dims"):
        build_network("uxnet", 1, 1, {"dims": dims})
