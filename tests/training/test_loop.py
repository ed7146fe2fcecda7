"""The training loop: learns, logs, and ends alike whether or not it was stopped."""

import numpy as np
import pytest
import torch
from torch import nn

from hcnet.errors import InputError, TrainingError
from hcnet.inference.device import Device
from hcnet.training import loop
from hcnet.training.logbook import read_log


class Line:
    """Fit a line: a `Task` of the smallest kind."""

    name = "line"
    epochs = 12
    steps_per_epoch = 5
    clip_gradient = 100.0

    def __init__(self, stop_at=None, target=3.0):
        torch.manual_seed(0)
        self.model = nn.Linear(1, 1)
        self.stop_at = stop_at
        self.target = target
        self.seen = []

    def lr(self, epoch):
        return loop.cosine(0.5, epoch, self.epochs)

    def optimiser(self):
        learning = [p for p in self.model.parameters() if p.requires_grad]
        return torch.optim.Adam(learning)

    def batches(self, first_step):
        for step in range(first_step, self.epochs * self.steps_per_epoch):
            if step == self.stop_at:
                raise KeyboardInterrupt
            self.seen.append(step)
            x = torch.from_numpy(np.random.default_rng(step).normal(size=(8, 1))).float()
            yield x, self.target * x

    def losses(self, model, batch):
        x, y = batch
        return {"loss": nn.functional.mse_loss(model(x), y)}

    def end_of_epoch(self, model, epoch):
        return {"weight": self.model.weight.detach().item()}


@pytest.fixture
def device():
    return Device(torch.device("cpu"), "32-true")


def test_learns_and_logs(tmp_path, device):
    model = loop.fit(Line(), device, tmp_path)
    lines = read_log(tmp_path)
    assert [line["epoch"] for line in lines] == list(range(12))
    assert lines[-1]["loss"] < 0.05 * lines[0]["loss"]
    assert lines[-1]["lr"] < lines[0]["lr"]
    assert not model.training
    assert (tmp_path / loop.MODEL).exists()
    assert not (tmp_path / loop.CHECKPOINT).exists()


def test_a_stopped_run_ends_where_an_undisturbed_one_does(tmp_path, device, monkeypatch):
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    whole = loop.fit(Line(), device, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        loop.fit(Line(stop_at=13), device, tmp_path / "stopped")
    task = Line()
    resumed = loop.fit(task, device, tmp_path / "stopped")
    assert task.seen[0] == 10  # the epoch that was cut short is done again, no other
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
    logs = [read_log(tmp_path / name) for name in ("whole", "stopped")]
    for log in logs:
        for line in log:
            del line["seconds"]
    assert logs[0] == logs[1]


def test_dropout_draws_the_same_after_a_stop(tmp_path, device, monkeypatch):
    def task(stop_at=None):
        line = Line(stop_at)
        line.model = nn.Sequential(line.model, nn.Dropout(0.5))
        line.end_of_epoch = lambda model, epoch: {}
        return line

    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    whole = loop.fit(task(), device, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        loop.fit(task(stop_at=13), device, tmp_path / "stopped")
    resumed = loop.fit(task(), device, tmp_path / "stopped")
    assert torch.equal(whole[0].weight, resumed[0].weight)
    first, second = (loop.fit(task(), device, tmp_path / name) for name in ("again", "and again"))
    assert torch.equal(first[0].weight, second[0].weight)


def test_frozen_parts_keep_their_statistics(tmp_path, device):
    task = Line()
    norm = nn.BatchNorm1d(1)
    norm.requires_grad_(False)
    task.model = nn.Sequential(norm, task.model)
    task.end_of_epoch = lambda model, epoch: {}
    loop.fit(task, device, tmp_path)
    assert norm.running_mean.item() == 0
    assert norm.num_batches_tracked.item() == 0


def test_a_finished_stage_is_loaded_not_trained(tmp_path, device):
    first = loop.fit(Line(), device, tmp_path)
    task = Line(stop_at=0)
    second = loop.fit(task, device, tmp_path)
    assert not task.seen
    assert torch.equal(first.weight, second.weight)


def test_a_loss_that_explodes_is_an_error(tmp_path, device):
    with pytest.raises(TrainingError, match="loss is not finite at step 0"):
        loop.fit(Line(target=float("inf")), device, tmp_path)


def test_a_gradient_that_explodes_is_an_error(tmp_path, device):
    """The root of 0 is 0, its slope is not."""
    task = Line()
    task.losses = lambda model, batch: {"loss": (0 * model(batch[0])).sum().abs().sqrt()}
    with pytest.raises(TrainingError, match="gradient is not finite at step 0"):
        loop.fit(task, device, tmp_path)
    assert not (tmp_path / loop.MODEL).exists()


def test_weights_of_another_network_are_refused(tmp_path, device):
    loop.fit(Line(), device, tmp_path)
    other = Line()
    other.model = nn.Linear(2, 2)
    with pytest.raises(InputError, match="not weights of this network"):
        loop.fit(other, device, tmp_path)
    (tmp_path / loop.MODEL).unlink()
    (tmp_path / loop.CHECKPOINT).write_bytes(b"garbage")
    with pytest.raises(InputError, match="not a checkpoint"):
        loop.fit(Line(), device, tmp_path)


def test_cosine_ends_at_one_percent():
    assert loop.cosine(1.0, 0, 10) == pytest.approx(1.0)
    assert loop.cosine(1.0, 10, 10) == pytest.approx(0.01)
    assert loop.cosine(1.0, 99, 10) == pytest.approx(0.01)
