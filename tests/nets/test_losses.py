"""Losses against values worked out by hand and against MONAI."""

import math

import pytest
import torch
from monai.losses import DiceLoss
from torch import Tensor

from hcnet.nets.losses import (
    dice_loss,
    heterogeneity_loss,
    inverse_frequency_weights,
    segmentation_loss,
)


def _row(*values: float) -> Tensor:
    """One item of one channel with the voxels in a row."""
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1, 1, 1)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestDice:
    def test_equation_3(self) -> None:
        # overlap 0.5 + 1, sums 0.5 + 1 + 0.25 and 2: 1 - 2 * 1.5 / 3.75
        loss = dice_loss(_row(0.5, 1, 0.25), _row(1, 1, 0), smooth=0)
        assert loss.item() == pytest.approx(1 - 3 / 3.75)

    def test_squared_denominator(self) -> None:
        # squares 0.25 + 1 + 0.0625 and 2
        loss = dice_loss(_row(0.5, 1, 0.25), _row(1, 1, 0), squared=True, smooth=0)
        assert loss.item() == pytest.approx(1 - 3 / 3.3125)

    def test_smooth_makes_an_empty_pair_perfect(self) -> None:
        assert dice_loss(_row(0, 0, 0), _row(0, 0, 0)).item() == 0
        assert dice_loss(_row(1, 1, 1), _row(0, 0, 0)).item() == pytest.approx(1 - 1 / 4)

    def test_sums_run_over_the_batch(self) -> None:
        probabilities = torch.cat([_row(0.5, 1, 0.25), _row(0.25, 0, 0)])
        truth = torch.cat([_row(1, 1, 0), _row(0, 0, 0)])
        assert dice_loss(probabilities, truth, smooth=0).item() == pytest.approx(1 - 3 / 4)

    @pytest.mark.parametrize("squared", [False, True])
    def test_equals_monai(self, squared: bool) -> None:
        probabilities = _random(3, 4, 5, 6, 7).softmax(dim=1)
        truth = (_random(3, 4, 5, 6, 7, seed=1) > 0.5).double()
        theirs = DiceLoss(batch=True, squared_pred=squared, smooth_nr=1.0, smooth_dr=1.0)
        ours = dice_loss(probabilities, truth, squared=squared)
        assert ours.shape == (4,)
        torch.testing.assert_close(ours.mean(), theirs(probabilities, truth))

    def test_shapes_must_agree(self) -> None:
        with pytest.raises(ValueError, match="shapes differ"):
            dice_loss(_row(1, 0), _row(1, 0, 0))


class TestSegmentation:
    # p = 1/2 and 3/4, truth 1 and 0
    LOGITS = _row(0, math.log(3))
    TRUTH = _row(1, 0)
    DICE = 1 - (2 * 0.5 + 1) / (1.25 + 1 + 1)
    BCE = (math.log(2) + math.log(4)) / 2

    def test_equation_5(self) -> None:
        terms = segmentation_loss(self.LOGITS, self.TRUTH)
        assert terms["dice"].item() == pytest.approx(self.DICE)
        assert terms["bce"].item() == pytest.approx(self.BCE)
        assert terms["loss"].item() == pytest.approx(self.DICE + 5 * self.BCE)

    def test_lambda_on_dice(self) -> None:
        terms = segmentation_loss(self.LOGITS, self.TRUTH, lambda_=2, lambda_on="dice")
        assert terms["loss"].item() == pytest.approx(2 * self.DICE + self.BCE)

    def test_boolean_truth_and_bfloat16_logits(self) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            terms = segmentation_loss(self.LOGITS.bfloat16(), self.TRUTH.bool())
        exact = segmentation_loss(self.LOGITS.bfloat16().float(), self.TRUTH)
        assert terms["loss"].dtype == torch.float32
        assert torch.equal(terms["loss"], exact["loss"])

    def test_gradcheck(self) -> None:
        logits = _random(2, 1, 3, 2, 2).requires_grad_()
        truth = (_random(2, 1, 3, 2, 2, seed=1) > 0).double()
        for squared in (False, True):
            assert torch.autograd.gradcheck(
                lambda x, squared=squared: segmentation_loss(x, truth, squared=squared)["loss"],
                logits,
            )

    def test_extreme_logits_stay_finite(self) -> None:
        logits = _row(1e4, -1e4).requires_grad_()
        loss = segmentation_loss(logits, _row(0, 1))["loss"]
        loss.backward()
        assert loss.item() == pytest.approx(1 - 1 / 3 + 5 * 1e4)
        assert logits.grad.abs().min() > 0


class TestHeterogeneity:
    # Two voxels of three classes: probabilities (1/2, 1/4, 1/4) and (1/8, 1/8, 3/4), labels 0, 2.
    LOGITS = torch.tensor([[0.5, 0.125], [0.25, 0.125], [0.25, 0.75]]).log().reshape(1, 3, 2, 1, 1)
    LABELS = torch.tensor([0, 2]).reshape(1, 1, 2, 1, 1)
    WEIGHTS = torch.tensor([1.0, 7.0, 3.0])
    # of classes 0 and 2, smooth 1; class 1 is not in the truth
    DICE = ((1 - (1 + 1) / (0.625 + 2)) + (1 - (1.5 + 1) / (1 + 2))) / 2

    def test_softmax_form(self) -> None:
        terms = heterogeneity_loss(self.LOGITS, self.LABELS, self.WEIGHTS)
        wce = (1 * math.log(2) + 3 * math.log(4 / 3)) / 4
        assert terms["wce"].item() == pytest.approx(wce)
        assert terms["dice"].item() == pytest.approx(self.DICE)
        assert terms["loss"].item() == pytest.approx(self.DICE + wce)

    def test_equation_4(self) -> None:
        terms = heterogeneity_loss(self.LOGITS, self.LABELS, self.WEIGHTS, form="eq4")
        first = math.log(2) + 2 * math.log(4 / 3)
        second = math.log(4 / 3) + 2 * math.log(8 / 7)
        assert terms["wce"].item() == pytest.approx((1 * first + 3 * second) / 4)

    def test_softmax_form_equals_torch(self) -> None:
        logits = _random(2, 5, 3, 4, 5)
        labels = torch.randint(5, (2, 1, 3, 4, 5), generator=torch.Generator().manual_seed(1))
        weights = torch.arange(1.0, 6.0).double()
        theirs = torch.nn.functional.cross_entropy(logits, labels[:, 0], weights)
        torch.testing.assert_close(heterogeneity_loss(logits, labels, weights)["wce"], theirs)

    @pytest.mark.parametrize("form", ["softmax", "eq4"])
    def test_gradcheck(self, form: str) -> None:
        logits = _random(2, 3, 2, 2, 2).requires_grad_()
        labels = torch.randint(3, (2, 1, 2, 2, 2), generator=torch.Generator().manual_seed(1))
        assert torch.autograd.gradcheck(
            lambda x: heterogeneity_loss(x, labels, self.WEIGHTS, form=form)["loss"], logits
        )

    @pytest.mark.parametrize("form", ["softmax", "eq4"])
    def test_confidently_wrong_stays_finite_and_learns(self, form: str) -> None:
        logits = torch.tensor([200.0, -200.0, 0.0]).reshape(1, 3, 1, 1, 1).requires_grad_()
        loss = heterogeneity_loss(
            logits, self.LABELS[..., 1:, :, :] * 0 + 1, self.WEIGHTS, form=form
        )
        loss["loss"].backward()
        assert loss["loss"].isfinite()
        assert logits.grad.isfinite().all()
        assert logits.grad[0, 0].item() > 0
        assert logits.grad[0, 1].item() < 0

    def test_unseen_class_alone_weighs_nothing(self) -> None:
        loss = heterogeneity_loss(self.LOGITS, self.LABELS * 0 + 1, torch.tensor([1.0, 0.0, 1.0]))
        assert loss["wce"].item() == 0

    def test_bfloat16_logits_are_computed_in_float32(self) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = heterogeneity_loss(self.LOGITS.bfloat16(), self.LABELS, self.WEIGHTS)["loss"]
        exact = heterogeneity_loss(self.LOGITS.bfloat16().float(), self.LABELS, self.WEIGHTS)
        assert loss.dtype == torch.float32
        assert torch.equal(loss, exact["loss"])

    def test_shapes_must_fit(self) -> None:
        with pytest.raises(ValueError, match="do not fit logits"):
            heterogeneity_loss(self.LOGITS, self.LABELS[:, 0], self.WEIGHTS)
        with pytest.raises(ValueError, match="3 classes have"):
            heterogeneity_loss(self.LOGITS, self.LABELS, self.WEIGHTS[:2])


class TestWeights:
    def test_inverse_with_mean_one(self) -> None:
        weights = inverse_frequency_weights(torch.tensor([0.8, 0.1, 0.1]))
        torch.testing.assert_close(weights, torch.tensor([1.0, 8.0, 8.0]) * 3 / 17)

    def test_counts_and_shares_are_alike(self) -> None:
        counts = torch.tensor([6, 3, 1])
        torch.testing.assert_close(
            inverse_frequency_weights(counts), inverse_frequency_weights(counts / 10)
        )

    def test_absent_class_weighs_nothing(self) -> None:
        weights = inverse_frequency_weights(torch.tensor([0.5, 0.0, 0.5]))
        torch.testing.assert_close(weights, torch.tensor([1.0, 0.0, 1.0]))

    def test_largest_ratio(self) -> None:
        weights = inverse_frequency_weights(torch.tensor([1.0, 1e-9]), largest_ratio=10)
        assert (weights[1] / weights[0]).item() == pytest.approx(10)

    @pytest.mark.parametrize("frequencies", [[0.0, 0.0], [1.0, -0.5]])
    def test_no_frequencies(self, frequencies: list[float]) -> None:
        with pytest.raises(ValueError, match="not class frequencies"):
            inverse_frequency_weights(torch.tensor(frequencies))
