"""Which rows a comparison has."""

import pytest

from hcnet.errors import ConfigError
from hcnet.nets.registry import network_names
from hcnet.studies.compare.entries import (
    BASELINE,
    INPUTS,
    MAP_NETWORKS,
    OURS,
    TABLE_1,
    Entry,
    choose_entries,
    choose_map_networks,
    takes,
)


def test_the_default_is_the_paper_s_table():
    assert choose_entries() == TABLE_1
    assert len(TABLE_1) == 14
    assert TABLE_1[0] == Entry("zhang", "pre+post")
    assert TABLE_1[-1] == OURS
    assert BASELINE in TABLE_1


def test_every_pair_that_can_be():
    rows = choose_entries(None, ["pre", "post+sub"])
    assert {row.network for row in rows} == set(network_names())
    assert [row.inputs for row in rows].count("pre") == 9
    assert [row.inputs for row in rows].count("post+sub") == 7
    assert Entry("zhang", "pre+post") in rows  # it makes the differences itself
    assert rows[-1] == OURS
    assert len(set(rows)) == len(rows) == 17


def test_pre_and_post_of_a_network_by_phase_is_one_row():
    assert choose_entries(["zhang"], ["post+sub", "pre+post"]) == (Entry("zhang", "pre+post"),)


def test_a_subset():
    rows = choose_entries(["resunet", "kisnet"])
    assert [row.name for row in rows] == ["resunet-post+sub", "resunet-pre", "kisnet-pre"]


@pytest.mark.parametrize(
    ("networks", "inputs", "message"),
    [
        (["unet"], None, "no network unet; there are: "),
        (None, ["sub"], "no input sub; there are: pre, post, post.sub"),
        (["kisnet"], ["post"], "kisnet cannot see post; it can see pre"),
        (["zhang"], ["post"], r"zhang cannot see post; it can see pre, pre\+post, all-phases"),
    ],
)
def test_what_cannot_be_is_named(networks, inputs, message):
    with pytest.raises(ConfigError, match=message):
        choose_entries(networks, inputs)


def test_what_networks_take():
    assert [kind for kind in INPUTS if takes("kisnet", kind)] == ["pre"]
    assert [kind for kind in INPUTS if takes("resunet", kind)] == list(INPUTS)


def test_map_networks():
    assert choose_map_networks() == MAP_NETWORKS == ("vnet", "resunet", "uxnet")
    assert choose_map_networks(["dmfnet", "dmfnet"]) == ("dmfnet",)
    for name in ("mhl", "kisnet", "zhang"):
        with pytest.raises(ConfigError, match=f"{name} cannot predict a map.*vnet"):
            choose_map_networks([name])
