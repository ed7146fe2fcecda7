import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hcnet.errors import BundleError, GeometryError, InputError
from hcnet.kinetics.clustering import CODEBOOK, MODEL, WEIGHTS, Clustering, build_model
from hcnet.kinetics.curves import sample_curves
from hcnet.kinetics.quality import measure
from hcnet.kinetics.settings import KineticsConfig
from hcnet.kinetics.tic import scale_curves
from hcnet.kinetics.vqvae import clustering_losses, tend_codebook

CLOCK = np.array([0.0, 90, 180, 270, 360])
SHAPES = np.array(
    [
        [1, 0.9, 0.8, 0.7, 0.6],  # losing signal
        [1, 1.0, 1.0, 1.3, 1.9],  # delayed
        [1, 1.4, 1.8, 2.2, 2.6],  # persistent
        [1, 2.6, 1.9, 1.4, 1.1],  # wash-out
    ]
)
CONFIG = KineticsConfig(k=4, epochs=30, lr_halve_every=10, batch_size=250, scale="minmax")


def exam(seed=0):
    """A (5, 12, 10, 10) exam of four tissues, their places, and a breast mask."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, (12, 10, 10))
    phases = np.moveaxis(SHAPES[truth], -1, 0) * rng.uniform(50, 150, truth.shape)
    phases = phases + rng.normal(0, 1.5, phases.shape)
    return phases.astype(np.float32), truth, rng.random(truth.shape) < 0.8


def fitted(seed, config=CONFIG):
    phases, _, breast = exam()
    sample = sample_curves(phases, breast, CLOCK, CLOCK, 1000, np.random.default_rng(seed))
    curves = torch.from_numpy(scale_curves(sample, config.scale))
    model = build_model(config, len(CLOCK), seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=config.lr)
    for epoch in range(config.epochs):
        for batch in curves.split(config.batch_size):
            losses = clustering_losses(batch, model(batch), config.beta, config.loss)
            optimiser.zero_grad()
            losses["loss"].backward()
            optimiser.step()
        tend_codebook(model, curves, config, epoch, seed)
    return Clustering.fit_order(model, sample, config, CLOCK)


@pytest.fixture(scope="module")
def clustering():
    return fitted(seed=0)


def test_map_finds_the_tissues_in_order_of_suspicion(clustering):
    phases, truth, breast = exam(seed=5)
    labels = clustering.map_case(phases, breast, CLOCK)
    assert labels.dtype == np.uint8
    assert (labels[~breast] == 0).all()
    # The shapes are listed from least to most suspicious, so tissue t is label t + 1.
    assert np.mean(labels[breast] == truth[breast] + 1) > 0.99


@pytest.mark.parametrize("loss", ["eq1", "commitment"])
def test_labels_mean_the_same_from_seed_to_seed(clustering, loss):
    other = fitted(seed=1, config=CONFIG.model_copy(update={"loss": loss}))
    assert not torch.equal(other.model.codebook, clustering.model.codebook)
    phases, _, breast = exam(seed=6)
    one, two = (c.map_case(phases, breast, CLOCK) for c in (clustering, other))
    assert np.mean(one == two) >= 0.99


def test_map_does_not_depend_on_the_scanner_unit(clustering):
    phases, _, breast = exam(seed=7)
    one = clustering.map_case(phases, breast, CLOCK)
    assert np.mean(one == clustering.map_case(phases * 12.5, breast, CLOCK)) > 0.999


@pytest.mark.parametrize("count", range(2, 11))
def test_map_takes_two_to_ten_phases(clustering, count):
    phases, _, breast = exam()
    clock = np.linspace(0, 360, count)
    resampled = np.stack(
        [phases[round(time / 360 * 4)] for time in clock]  # the nearest phase there is
    )
    labels = clustering.map_case(resampled, breast, clock)
    assert set(np.unique(labels)) <= set(range(5))
    assert (labels[breast] > 0).all()


def test_decoded_curves_and_vectors_follow_the_sorted_codes(clustering):
    phases, _, breast = exam()
    raw = sample_curves(phases, breast, CLOCK, CLOCK, 400, np.random.default_rng(0))
    curves = scale_curves(raw, "minmax")
    codes, latents = clustering.assign(curves), clustering.latents(curves)
    quality = measure(latents, codes, clustering.vectors)
    assert quality.used == 4
    apart = np.linalg.norm(latents[:, None] - clustering.vectors[None], axis=2)
    np.testing.assert_array_equal(apart.argmin(axis=1), codes)
    np.testing.assert_allclose(clustering.decoded, clustering.codebook.mean, atol=0.15)


def test_save_and_load_give_the_same_map(clustering, tmp_path):
    clustering.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([WEIGHTS, MODEL, CODEBOOK])
    again = Clustering.load(tmp_path)
    phases, _, breast = exam(seed=8)
    np.testing.assert_array_equal(
        again.map_case(phases, breast, CLOCK), clustering.map_case(phases, breast, CLOCK)
    )


def test_unusable_input_is_refused(clustering):
    phases, _, breast = exam()
    with pytest.raises(GeometryError):
        clustering.map_case(phases, breast[:-1], CLOCK)
    with pytest.raises(InputError):
        clustering.map_case(phases[:1], breast, CLOCK[:1])
    with pytest.raises(InputError):
        Clustering.fit_order(clustering.model, np.empty((0, 5)), CONFIG, CLOCK)


def damage_nothing(folder):
    shutil.rmtree(folder)


def damage_weights(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:200])


def damage_shape(folder):
    values = json.loads((folder / MODEL).read_text())
    (folder / MODEL).write_text(json.dumps(values | {"hidden": 10**9}))


def damage_match(folder):
    values = json.loads((folder / MODEL).read_text())
    (folder / MODEL).write_text(json.dumps(values | {"k": 5}))


def damage_tensor(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors["codebook"] = tensors["codebook"][:, :-1].contiguous()
    save_file(tensors, folder / WEIGHTS)


def damage_values(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors["codebook"][0, 0] = float("nan")
    save_file(tensors, folder / WEIGHTS)


def damage_start(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors["started"] = torch.tensor(False)
    save_file(tensors, folder / WEIGHTS)


@pytest.mark.parametrize(
    "damage",
    [
        damage_nothing,
        damage_weights,
        damage_shape,
        damage_match,
        damage_tensor,
        damage_values,
        damage_start,
    ],
)
def test_damaged_folders_are_refused(clustering, tmp_path, damage):
    folder = tmp_path / "kinetics"
    clustering.save(folder)
    damage(folder)
    with pytest.raises(BundleError):
        Clustering.load(folder)
