"""Prototypes on synthetic embeddings, and the terms against values worked out by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from hcnet.nets import prototypes as module
from hcnet.nets.prototypes import (
    Prototypes,
    contrastive_loss,
    distance_loss,
    rows,
    sinkhorn,
    without_autocast,
)

CLASSES, COUNT, DIM = 2, 2, 6
EDGE = 8


@pytest.fixture
def prototypes() -> Prototypes:
    torch.manual_seed(0)
    return Prototypes(CLASSES, COUNT, DIM, momentum=0.5)


def _clusters() -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings (2, DIM, 8, 8, 8) about four axes, their cluster and their class (two each)."""
    generator = torch.Generator().manual_seed(1)
    cluster = torch.randint(4, (2, EDGE, EDGE, EDGE), generator=generator)
    noise = 0.1 * torch.randn(*cluster.shape, DIM, generator=generator)
    embeddings = F.normalize(F.one_hot(cluster, DIM) + noise, dim=-1)
    return embeddings.permute(0, 4, 1, 2, 3), cluster, cluster // 2


def _learn(prototypes: Prototypes, embeddings: Tensor, labels: Tensor, steps: int = 20) -> None:
    for _ in range(steps):
        voxels, targets = prototypes.assign(prototypes(embeddings), labels)
        prototypes.update(rows(embeddings, voxels), targets)


def test_each_prototype_finds_a_cluster_of_its_class(prototypes: Prototypes) -> None:
    embeddings, cluster, labels = _clusters()
    _learn(prototypes, embeddings, labels)
    axis = prototypes.vectors.argmax(dim=-1)
    assert (prototypes.vectors.amax(dim=-1) > 0.95).all()
    assert sorted(axis[0].tolist()) == [0, 1]
    assert sorted(axis[1].tolist()) == [2, 3]
    similarities = prototypes(embeddings)
    assert (prototypes.class_similarities(similarities).argmax(dim=1) == labels).all()
    voxels, targets = prototypes.assign(similarities, labels)
    agree = axis.flatten()[targets] == cluster.flatten()[voxels]
    assert agree.float().mean() > 0.9  # equal shares of unequal clusters misplace a few


def test_prototypes_keep_unit_length(prototypes: Prototypes) -> None:
    embeddings, _, labels = _clusters()
    _learn(prototypes, embeddings, labels, steps=3)
    torch.testing.assert_close(prototypes.vectors.norm(dim=-1), torch.ones(CLASSES, COUNT))


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_momentum_is_the_share_of_the_old_direction(momentum: float) -> None:
    prototypes = Prototypes(1, 1, 2, momentum=momentum)
    prototypes.vectors = torch.tensor([[[1.0, 0.0]]])
    prototypes.update(torch.tensor([[0.0, 1.0]]), torch.tensor([0]))
    expected = F.normalize(torch.tensor([momentum, 1 - momentum]), dim=0)
    torch.testing.assert_close(prototypes.vectors[0, 0], expected)


def test_only_prototypes_with_voxels_move(prototypes: Prototypes) -> None:
    old = prototypes.vectors.clone()
    embeddings, _, labels = _clusters()
    _learn(prototypes, embeddings, torch.zeros_like(labels))
    assert torch.equal(prototypes.vectors[1], old[1])
    assert not torch.equal(prototypes.vectors[0], old[0])
    assert prototypes.vectors.isfinite().all()


def test_more_voxels_than_the_most_are_drawn_evenly(
    prototypes: Prototypes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_VOXELS", 16)
    embeddings, _, labels = _clusters()
    labels = torch.zeros_like(labels)
    labels[0, 0, 0, :5] = 1
    voxels, targets = prototypes.assign(prototypes(embeddings), labels)
    assert (targets // COUNT).tolist() == [0] * 16 + [1] * 5
    assert torch.equal(labels.flatten()[voxels], targets // COUNT)
    assert len(voxels.unique()) == 21
    steps = voxels[:16].diff()
    assert steps.max() - steps.min() <= 1


def test_similarities_are_cosines(prototypes: Prototypes) -> None:
    embeddings, _, _ = _clusters()
    similarities = prototypes(embeddings)
    assert similarities.shape == (2, CLASSES * COUNT, EDGE, EDGE, EDGE)
    for channel in range(CLASSES * COUNT):
        vector = prototypes.vectors[channel // COUNT, channel % COUNT].view(1, DIM, 1, 1, 1)
        expected = F.cosine_similarity(embeddings, vector, dim=1)
        torch.testing.assert_close(similarities[:, channel], expected)
    voxels = torch.tensor([0, 700])
    expected = torch.stack([similarities[0, :, 0, 0, 0], similarities[1, :, 2, 7, 4]])
    assert torch.equal(rows(similarities, voxels), expected)


def test_class_similarity_is_that_of_the_nearest_prototype(prototypes: Prototypes) -> None:
    similarities = torch.tensor([0.1, 0.7, -0.2, -0.9]).view(1, 4, 1, 1, 1)
    nearest = prototypes.class_similarities(similarities)
    torch.testing.assert_close(nearest.flatten(), torch.tensor([0.7, -0.2]))


def test_attention_returns_a_weighted_mean_of_the_prototypes(prototypes: Prototypes) -> None:
    flat = prototypes.vectors.flatten(0, 1)
    equal = prototypes.attend(torch.zeros(1, 4, 1, 1, 1)).flatten()
    torch.testing.assert_close(equal, flat.mean(dim=0))
    one = prototypes.attend(torch.tensor([0.0, 0, 50, 0]).view(1, 4, 1, 1, 1)).flatten()
    torch.testing.assert_close(one, flat[2])


def test_all_is_float32_under_autocast(prototypes: Prototypes) -> None:
    embeddings, _, labels = _clusters()
    other = Prototypes(CLASSES, COUNT, DIM, momentum=0.5)
    other.load_state_dict(prototypes.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        similarities = other(embeddings)
        attended = other.attend(similarities)
        _learn(other, embeddings, labels)
    assert torch.equal(similarities, prototypes(embeddings))
    assert torch.equal(attended, prototypes.attend(similarities))
    _learn(prototypes, embeddings, labels)
    assert torch.equal(other.vectors, prototypes.vectors)


def test_an_update_between_forward_and_backward_pass_is_allowed(prototypes: Prototypes) -> None:
    embeddings, _, labels = _clusters()
    embeddings.requires_grad_()
    old = prototypes.vectors.flatten(0, 1)
    similarities = prototypes(embeddings)
    _learn(prototypes, embeddings, labels, steps=1)
    similarities[0, 1].sum().backward()
    torch.testing.assert_close(embeddings.grad[0, :, 3, 3, 3], old[1])


def test_prototypes_have_no_gradient_and_are_saved(prototypes: Prototypes) -> None:
    assert list(prototypes.parameters()) == []
    assert list(prototypes.state_dict()) == ["vectors"]


def test_the_meta_device_works() -> None:
    with torch.device("meta"):
        prototypes = Prototypes(CLASSES, COUNT, DIM)
        similarities = prototypes(torch.empty(1, DIM, 3, 4, 5))
        assert prototypes.attend(similarities).shape == (1, DIM, 3, 4, 5)
        with without_autocast(similarities):
            pass


class TestSinkhorn:
    def test_shares_of_a_voxel_add_up_to_one(self) -> None:
        shares = sinkhorn(torch.rand(50, 4, generator=torch.Generator().manual_seed(3)))
        torch.testing.assert_close(shares.sum(dim=1), torch.ones(50))
        assert (shares >= 0).all()

    @pytest.mark.parametrize(("iterations", "tolerance"), [(3, 0.2), (100, 1e-3)])
    def test_prototypes_get_equal_shares(self, iterations: int, tolerance: float) -> None:
        similarities = torch.rand(400, 4, generator=torch.Generator().manual_seed(3))
        similarities[:, 0] += 0.3  # nearest to almost all
        shares = sinkhorn(similarities, iterations=iterations)
        torch.testing.assert_close(
            shares.sum(dim=0), torch.full((4,), 100.0), rtol=tolerance, atol=0
        )

    def test_symmetric_similarities_give_a_known_answer(self) -> None:
        # already balanced: a softmax of 0.1 / 0.05 against 0
        shares = sinkhorn(torch.tensor([[0.1, 0.0], [0.0, 0.1]]))
        own = math.exp(2) / (math.exp(2) + 1)
        torch.testing.assert_close(shares, torch.tensor([[own, 1 - own], [1 - own, own]]))

    def test_extreme_similarities_stay_finite(self) -> None:
        shares = sinkhorn(torch.tensor([[100.0, -100.0], [100.0, -100.0], [100.0, 100.0]]))
        assert shares.isfinite().all()

    def test_no_voxels_have_no_shares(self) -> None:
        assert sinkhorn(torch.empty(0, 4)).shape == (0, 4)


class TestTerms:
    similarities = torch.tensor([[0.5, 0.3, -1.0], [1.0, 0.0, 0.0]])
    targets = torch.tensor([1, 0])

    def test_contrastive(self) -> None:
        first = math.log(math.exp(5) + math.exp(3) + math.exp(-10)) - 3
        second = math.log(math.exp(10) + 2) - 10
        loss = contrastive_loss(self.similarities, self.targets)
        assert loss.item() == pytest.approx((first + second) / 2, rel=1e-5)

    def test_distance(self) -> None:
        assert distance_loss(self.similarities, self.targets).item() == pytest.approx(0.7**2 / 2)
