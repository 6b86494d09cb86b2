"""Training when something goes wrong: damaged files, a full disk, two at a time."""

from __future__ import annotations

import dataclasses
import os
import resource
from pathlib import Path

import pytest

from vww_deploy.errors import DataError, ModelError, VwwError

pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("short_network")]

from tests.unit.training.test_training import TINY, checkpoint_of, log_of  # noqa: E402
from vww_deploy.training import mobilenet, train, weights  # noqa: E402
from vww_deploy.training.run import Job, run  # noqa: E402


def test_a_damaged_checkpoint_costs_an_epoch(discs: Path, tmp_path: Path) -> None:
    run(Job(discs, tmp_path, TINY))
    os.truncate(checkpoint_of(tmp_path, 2), 1000)
    said: list[str] = []
    run(Job(discs, tmp_path, TINY), progress=said.append)
    assert said[0] == "reading pictures: 0 of 96"
    assert said[-1] == "epoch 2 of 2: step 6 of 6" and not [one for one in said if "epoch 1" in one]
    assert [row["epoch"] for row in log_of(tmp_path)] == ["1", "2"]
    for number in (1, 2):
        os.truncate(checkpoint_of(tmp_path, number), 1000)
    with pytest.raises(ModelError, match=r"checkpoints in .* are damaged"):
        run(Job(discs, tmp_path, TINY))


def test_a_loss_that_is_no_number_ends_the_training(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="loss of epoch 1 is nan"):
        run(Job(discs, tmp_path, dataclasses.replace(TINY, learning_rate=float("nan"))))
    assert not (tmp_path / train.WEIGHTS_FILE).exists()


def test_one_training_at_a_time_in_a_folder(discs: Path, tmp_path: Path) -> None:
    def again(row: dict[str, float]) -> None:
        with pytest.raises(DataError, match="another training is under way in"):
            run(Job(discs, tmp_path, TINY))
        tried.append(row["epoch"])

    tried: list[float] = []
    run(Job(discs, tmp_path, TINY), on_epoch=again)
    assert tried == [1, 2]
    assert [row["epoch"] for row in log_of(tmp_path)] == ["1", "2"]


def test_a_full_disk_loses_nothing(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    recipe = dataclasses.replace(TINY, epochs=1)
    for what in ("save_weights", "_log", "Student.save"):
        with monkeypatch.context() as patched, pytest.raises(VwwError, match="No space left"):
            patched.setattr(f"vww_deploy.training.train.{what}", full)
            run(Job(discs, tmp_path, recipe))
    run(Job(discs, tmp_path, recipe))
    assert (tmp_path / train.WEIGHTS_FILE).is_file()
    assert [row["epoch"] for row in log_of(tmp_path)] == ["1"]


def test_weights_that_do_not_fit_leave_nothing_behind(tmp_path: Path) -> None:
    model, (_, most) = mobilenet.build_mobilenet_v1(0.07), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))  # HDF5 itself crashes at this
    try:
        with pytest.raises(OSError, match="File too large"):
            weights.save_weights(model, tmp_path / "x.weights.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert not list(tmp_path.iterdir())
