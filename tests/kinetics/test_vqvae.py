import numpy as np
import pytest
import torch

from hcnet.kinetics.settings import KineticsConfig
from hcnet.kinetics.vqvae import (
    ASSIGN_CHUNK,
    CurveVqVae,
    clustering_losses,
    kmeans_start,
    nearest,
    revive,
    settle,
    tend_codebook,
)

CONFIG = KineticsConfig(k=4, hidden=16, latent_dim=3, epochs=20)


def small(seed=0, started=True):
    model = CurveVqVae(points=5, k=4, latent_dim=3, hidden=16, seed=seed)
    model.started.fill_(started)
    return model


def curves(count=64, seed=0):
    return torch.rand(count, 5, generator=torch.Generator().manual_seed(seed))


def gradients(model, loss):
    model.zero_grad()
    loss.backward(retain_graph=True)
    return {
        part: sum(float(p.grad.abs().sum()) for p in parameters if p.grad is not None)
        for part, parameters in {
            "encoder": model.encoder.parameters(),
            "decoder": model.decoder.parameters(),
            "codebook": [model.codebook],
        }.items()
    }


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    one = small(seed=3).state_dict()
    torch.manual_seed(2)
    for name, value in small(seed=3).state_dict().items():
        torch.testing.assert_close(value, one[name], rtol=0, atol=0)
    assert not torch.equal(one["codebook"], small(seed=4).codebook)


def test_nearest_is_the_code_at_least_distance():
    generator = torch.Generator().manual_seed(0)
    latents, codebook = torch.randn(200, 3, generator=generator), torch.randn(7, 3)
    torch.testing.assert_close(
        nearest(latents, codebook), torch.cdist(latents, codebook).argmin(dim=1)
    )


def test_reconstruction_decodes_the_code_and_passes_gradients_to_the_encoder():
    model, x = small(), curves()
    output = model(x)
    torch.testing.assert_close(output.reconstruction, model.decoded()[output.codes])
    found = gradients(model, output.reconstruction.square().sum())
    assert found["encoder"] > 0
    assert found["decoder"] > 0
    assert found["codebook"] == 0


def test_eq1_quantisation_term_moves_the_codebook_only():
    model, x = small(), curves()
    output = model(x)
    rest = (x - output.reconstruction).square().sum(dim=1).mean()
    losses = clustering_losses(x, output, beta=0.25, kind="eq1")
    found = gradients(model, losses["loss"] - rest)
    assert found["encoder"] == pytest.approx(0, abs=1e-5)
    assert found["decoder"] == pytest.approx(0, abs=1e-5)
    assert found["codebook"] > 0.01


def test_commitment_ties_the_encoder_to_its_codes():
    model, x = small(), curves()
    output = model(x)
    rest = (x - output.reconstruction).square().sum(dim=1).mean()
    losses = clustering_losses(x, output, beta=0.25, kind="commitment")
    found = gradients(model, losses["loss"] - rest)
    assert found["encoder"] > 0.01
    assert found["codebook"] > 0.01


def test_loss_values_are_those_of_the_equations():
    model, x = small(), curves()
    with torch.no_grad():
        output = model(x)
    error = float(((x - output.reconstruction) ** 2).sum(dim=1).mean())
    gap = float(((output.latents - output.vectors) ** 2).sum(dim=1).mean())
    torch.testing.assert_close(output.vectors, model.codebook.detach()[output.codes])
    eq1 = clustering_losses(x, output, beta=0.25, kind="eq1")
    assert float(eq1["loss"]) == pytest.approx(error + 0.25 * gap, rel=1e-5)
    assert float(eq1["quantisation"]) == pytest.approx(gap, rel=1e-5)
    usual = clustering_losses(x, output, beta=0.25, kind="commitment")
    assert float(usual["loss"]) == pytest.approx(error + 1.25 * gap, rel=1e-5)


def test_before_the_start_it_is_a_plain_autoencoder():
    model, x = small(started=False), curves()
    with torch.no_grad():
        output = model(x)
        torch.testing.assert_close(output.reconstruction, model.decoder(model.encoder(x)))
    losses = clustering_losses(x, output, beta=0.25, kind="commitment")
    assert float(losses["quantisation"]) == 0
    assert float(losses["loss"]) == float(losses["reconstruction"])


def test_assign_is_forward_in_chunks():
    model, x = small(), curves(ASSIGN_CHUNK + 5)
    torch.testing.assert_close(model.assign(x), model(x).codes)
    assert model.assign(x[:0]).shape == (0,)


def test_kmeans_start_takes_one_code_from_each_far_cluster():
    centres = torch.eye(4) * 100
    latents = centres.repeat(50, 1) + 0.01 * torch.randn(
        200, 4, generator=torch.Generator().manual_seed(0)
    )
    for seed in range(5):
        codes = kmeans_start(latents, 4, torch.Generator().manual_seed(seed))
        assert sorted(nearest(codes, centres).tolist()) == [0, 1, 2, 3]
    assert kmeans_start(torch.zeros(9, 2), 4, torch.Generator().manual_seed(0)).shape == (4, 2)


def test_settle_moves_codes_to_the_mean_of_their_members():
    model = small()
    with torch.no_grad():
        model.codebook.copy_(torch.tensor([[0.0, 0, 0], [9, 9, 9], [-50, 0, 0], [50, 0, 0]]))
    latents = torch.tensor([[1.0, 0, 0], [0, 1, 0], [8, 9, 9], [10, 9, 12]])
    settle(model, latents)
    expected = torch.tensor([[0.5, 0.5, 0], [9, 9, 10.5], [-50, 0, 0], [50, 0, 0]])
    torch.testing.assert_close(model.codebook.detach(), expected)


def test_dead_codes_are_revived_where_the_reconstruction_is_bad():
    model, x = small(), curves()
    latents = model.encoder(x).detach()
    with torch.no_grad():
        model.codebook[:] = latents[0]
        model.codebook[1:] += 1e3 * torch.arange(1, 4)[:, None]
    count = revive(model, x, latents, 0.01, torch.Generator().manual_seed(0))
    assert count == 3
    rows = {tuple(row) for row in latents.tolist()}
    assert all(tuple(row) in rows for row in model.codebook.tolist())
    alive = [int((nearest(latents, model.codebook) == code).sum()) for code in range(4)]
    assert min(alive) > 0
    assert revive(model, x, latents, 0.0, torch.Generator().manual_seed(0)) == 0


def test_tending_starts_settles_and_rests():
    model, x = small(started=False), curves(500)
    first = tend_codebook(model, x, CONFIG, epoch=0, seed=0)
    assert bool(model.started)
    assert first["alive"] == 4
    assert 1 < first["perplexity"] <= 4
    with torch.no_grad():
        model.codebook[2] = 1e3
    assert tend_codebook(model, x, CONFIG, epoch=CONFIG.epochs - 1, seed=0)["revived"] == 0
    assert tend_codebook(model, x, CONFIG, epoch=1, seed=0)["revived"] == 1


def test_tending_repeats_with_the_seed():
    books = []
    for _ in range(2):
        model = small(started=False)
        tend_codebook(model, curves(500), CONFIG, epoch=0, seed=5)
        books.append(model.codebook.detach().clone())
    np.testing.assert_array_equal(*books)


def test_gradients_are_the_same_every_time():
    # Large enough for torch to share the work among threads, where an unordered sum would show.
    curves = torch.randn(4096, 3, generator=torch.Generator().manual_seed(0))
    model = CurveVqVae(3, 10, 8, 64, seed=0)
    model.started.fill_(True)

    def gradient():
        model.zero_grad()
        clustering_losses(curves, model(curves), 0.25, "eq1")["loss"].backward()
        return model.codebook.grad.clone()

    first = gradient()
    assert all(torch.equal(first, gradient()) for _ in range(20))
