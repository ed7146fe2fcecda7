"""What the command line's words for a study of K mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcnet.errors import ConfigError
from hcnet.studies.choose_k.plan import Plan, parse_ks, parse_methods, parse_scales


@pytest.mark.parametrize(
    ("text", "ks"), [("2..5", (2, 3, 4, 5)), ("12, 4", (4, 12)), ("3..4,4,9", (3, 4, 9))]
)
def test_numbers_of_codes(text, ks):
    assert parse_ks(text) == ks


@given(st.lists(st.integers(2, 254), min_size=1, max_size=8))
def test_every_list_reads_back(ks):
    assert parse_ks(",".join(map(str, ks))) == tuple(sorted(set(ks)))


@pytest.mark.parametrize("text", ["", "ten", "1..4", "9..3", "2..", "2..300", "4,,6", "2...4"])
def test_bad_numbers_of_codes_are_refused_in_one_sentence(text):
    with pytest.raises(ConfigError, match=r"2\.\.16 or 4,8,12") as error:
        parse_ks(text)
    assert "\n" not in str(error.value)


def test_words_are_known_ones():
    assert parse_scales("relative,minmax,relative") == ("relative", "minmax")
    assert parse_methods("VQVAE, gmm", ("minmax",)) == ("vqvae", "gmm")
    with pytest.raises(ConfigError, match="there is no dbscan; choose from vqvae"):
        parse_methods("kmeans,dbscan", ("minmax",))
    with pytest.raises(ConfigError, match="there is no zscore"):
        parse_scales("zscore")


def test_bins_need_amplitudes():
    with pytest.raises(ConfigError, match="add relative"):
        parse_methods("bins", ("minmax",))
    plan = Plan((4,), methods=parse_methods("kmeans,bins", ("minmax", "relative")), seeds=2)
    names = [fit.name for fit in plan.fits()]
    assert names == [
        "minmax_kmeans_k004_seed0", "minmax_kmeans_k004_seed1",
        "relative_kmeans_k004_seed0", "relative_kmeans_k004_seed1",
        "relative_bins_k004_seed0", "relative_bins_k004_seed1",
    ]  # fmt: skip
