"""A peer without a network: trees on twenty hand-made numbers a voxel, cross-validated.

    python bench/hand_made_features.py COHORT -o OUT [--crossed CROSSED]

Needs scikit-learn (extra `bench`). Same folds and grid as `hcnet ablate COHORT --folds 5 --preset
ispy1-small`, whose folder CROSSED, where given, is compared with patient by patient. Trees say how
often, so 0.5 is no threshold for them; each fold's is chosen on the others, and CROSSED is compared
at thresholds chosen in the same way. It asks what intensity at several scales and place in the
breast tell, and prints how much of the reference masks the grid itself keeps.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier

from hcnet.cohorts.cohort import read_cohort
from hcnet.config import load_config
from hcnet.evaluation.evaluate import METRICS, read_mask, score_case
from hcnet.evaluation.hierarchical import crossed_comparison, crossed_mean
from hcnet.evaluation.overlap import overlap
from hcnet.evaluation.threshold import best_threshold, dsc_curve
from hcnet.prepare.cache import prepared_cases
from hcnet.studies.ablation.records import TUNED, read_record
from hcnet.studies.score import score_table
from hcnet.training.split import folds_of
from hcnet.training.validate import native_prediction
from hcnet.volumes.volume import to_canonical

SCALES_MM = (3, 6, 12, 24)
VOXELS = 6000  # of a training case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--crossed", type=Path)
    parser.add_argument("--without-place", action="store_true", help="intensity alone")
    options = parser.parse_args()

    config = load_config("ispy1-small")
    cohort = read_cohort(options.cohort)
    cases = prepared_cases(cohort.cases, config.prepare, options.out / "cache")
    data = {case.name: features(case, place=not options.without_place) for case in cases}
    ready = {case.name: case for case in cases}
    folds = [[case.name for case in fold] for fold in folds_of(cohort.cases, 5, config.seed)]
    found = {}
    for held in folds:
        model = fit([data[name] for name in data if name not in held])
        for name in held:
            values, _, inside = data[name]
            probability = np.zeros(inside.shape, np.float32)
            probability[inside] = model.predict_proba(values)[:, 1]
            native, breast = map(to_canonical, native_prediction(ready[name], probability))
            found[name] = native.data, breast.data > 0

    truth = {case.name: read_mask(case.tumour) for case in cohort.cases}
    kept = []
    for name, case in ready.items():
        laid_back = to_canonical(native_prediction(case, np.asarray(case.tumour, np.float32))[0])
        kept.append(overlap(laid_back.data >= 0.5, truth[name].data > 0).dsc)
    print(f"the reference masks on the grid and back: {np.mean(kept):.3f}")
    curves = {name: dsc_curve(*found[name], truth[name].data) for name in found}
    rows = []
    for held in folds:
        threshold = best_threshold([curves[name] for name in found if name not in held])
        for name in held:
            probability, breast = found[name]
            mask = (probability >= threshold) & breast
            rows.append(score_case(name, mask, truth[name].data > 0, truth[name].grid))
    for metric in METRICS:
        told = crossed_mean([[getattr(row, metric) for row in rows]])
        print(f"{metric}: {told.mean:.3f} ({told.low:.3f} to {told.high:.3f}), n {told.n}")
    if options.crossed:
        compare({row.name: row.dsc for row in rows}, options.crossed)


def features(case, *, place):
    """(N, F) numbers and (N,) truth of the breast's voxels, and the breast mask."""
    image, breast = np.array(case.image, np.float32), np.asarray(case.breast) > 0
    spacing = np.array(case.grid.spacing)
    columns = [image]
    for scale in SCALES_MM:
        sigma = scale / spacing
        weight = ndimage.gaussian_filter(breast.astype(np.float32), sigma) + 1e-3
        mean = ndimage.gaussian_filter(image * breast, sigma) / weight
        square = ndimage.gaussian_filter(image**2 * breast, sigma) / weight
        columns += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
        if scale < SCALES_MM[-1]:
            columns.append(ndimage.gaussian_gradient_magnitude(image, sigma))
            columns.append(ndimage.gaussian_laplace(image, sigma))
    rank = np.zeros_like(image)
    rank[breast] = image[breast].argsort().argsort() / breast.sum()
    columns.append(rank)
    if place:
        columns.append(ndimage.distance_transform_edt(breast, sampling=spacing))
        inside = np.argwhere(breast)
        first, last = inside.min(0), inside.max(0) + 1
        axes = [
            (np.arange(n) - a) / (b - a) for n, a, b in zip(image.shape, first, last, strict=True)
        ]
        columns += np.meshgrid(*axes, indexing="ij")
    values = np.stack([column[breast] for column in columns], axis=1)
    return values, np.asarray(case.tumour)[breast] > 0, breast


def fit(cases):
    """Trees on the same number of voxels of each training case."""
    rng = np.random.default_rng(0)
    values, truth = [], []
    for columns, tumour, _ in cases:
        chosen = rng.permutation(len(tumour))[:VOXELS]
        values.append(columns[chosen])
        truth.append(tumour[chosen])
    model = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=200,
        l2_regularization=1.0, random_state=0,
    )  # fmt: skip
    return model.fit(np.concatenate(values), np.concatenate(truth))


def compare(own, crossed) -> None:
    """DSC of each arm, first seed, minus that of the trees, over the same patients."""
    paths = sorted(crossed.glob(f"seed0/*/*/{TUNED}"))
    records = [read_record(path.parent, TUNED) for path in paths]
    for arm in dict.fromkeys(record.arm for record in records):
        table = score_table([r for r in records if r.arm == arm], "dsc", list(own))
        result = crossed_comparison(table, [list(own.values())] * len(table))
        d = result.difference
        print(f"{arm} minus trees: {d.mean:+.3f} ({d.low:+.3f} to {d.high:+.3f}), p {result.p:.3f}")


if __name__ == "__main__":
    main()
