"""Rows, summary and figure of made-up fits."""

import pytest

from hcnet.studies.choose_k.figure import study_figure
from hcnet.studies.choose_k.output import summary_lines
from hcnet.studies.choose_k.rows import rows_of


def agreed(kappa):
    return {"voxels": 9, "exact": 0.9, "kappa": kappa, "weighted_kappa": kappa, "rank": None}


def fit(k, sse, kappas, scale="minmax", method="kmeans", seed=0):
    quality = {"sse": sse, "reconstruction_sse": sse, "cpn": 1 / k, "spt": None, "dbn": None}
    return {
        "scale": scale,
        "method": method,
        "k": k,
        "seed": seed,
        "codes": k,
        "fit_seconds": 1.0,
        "quality": quality | {"perplexity": 1.0, "used": k},
        "tvr": None,
        "cases": [
            {"name": f"c{n}", "patient": f"p{n}", "breast": agreed(kappa), "tumour": None}
            for n, kappa in enumerate(kappas)
        ],
    }


def test_the_interval_is_over_cases(tmp_path):
    (row,) = rows_of([fit(10, 0.1, [0.2, 0.4, 0.6])], tmp_path)
    interval = row.retest["breast/kappa"]
    assert interval.mean == pytest.approx(0.4)
    assert 0.2 <= interval.low < 0.4 < interval.high <= 0.6
    assert (interval.n, interval.of) == (3, 3)
    assert row.retest["breast/rank"].mean is None
    assert "tumour/kappa" not in row.retest


def test_best_k_is_told_criterion_by_criterion(tmp_path):
    fits = [fit(k, 1 / k, [kappa] * 2) for k, kappa in ((4, 0.5), (10, 0.7), (12, 0.6))]
    lines = summary_lines(rows_of(fits, tmp_path))
    assert "SSE 12*; CPN 12*; kappa, breast 10; weighted kappa, breast 10" in lines[1]
    assert "SPT" not in lines[1]
    assert "K = 10" in lines[2]
    assert "0.700" in lines[2]


def test_kappa_of_fewer_cases_is_not_best(tmp_path):
    fits = [fit(4, 1, [0.9, None]), fit(6, 1, [0.5, 0.5]), fit(8, 1, [0.4, 0.4])]
    rows = rows_of(fits, tmp_path)
    assert (rows[0].retest["breast/kappa"].n, rows[0].retest["breast/kappa"].of) == (1, 2)
    assert "kappa, breast 6;" in summary_lines(rows)[1]


def test_figure_has_a_column_a_scale_and_the_papers_k(tmp_path):
    fits = [
        fit(k, 1 / k, [0.5, None if k == 4 else 0.6], scale, method)
        for scale in ("minmax", "relative")
        for method in ("vqvae", "kmeans")
        for k in (4, 10)
    ]
    figure = study_figure(rows_of(fits, tmp_path))
    charts = figure.axes
    # SSE, CPN, perplexity; exact, kappa and weighted kappa in the breast: what there is, no more.
    assert len(charts) == 2 * 6
    assert [axes.get_ylabel() for axes in charts[::2]][:3] == ["SSE", "CPN", "perplexity"]
    named = [line for line in charts[0].lines if not line.get_label().startswith("_")]
    assert [line.get_label() for line in named] == ["VQ-VAE", "k-means"]
    assert list(named[0].get_xdata()) == [4, 10]
    assert any(set(line.get_xdata()) == {10} for line in charts[0].lines)
    kappa = charts[8]
    assert kappa.get_ylabel().endswith("kappa, breast")
    hollow = [line for line in kappa.lines if line.get_markerfacecolor() == "white"]
    assert [list(line.get_xdata()) for line in hollow] == [[4], [4]]
    assert kappa.get_ylim() == charts[9].get_ylim()
