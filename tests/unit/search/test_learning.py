"""A whole search on pictures that are learned in seconds: slices, ranking, trainings, and going on after a stop."""

from __future__ import annotations

import csv
import dataclasses
import errno
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.training.conftest import discs  # noqa: F401
from vww_deploy.errors import DataError
from vww_deploy.graph.architecture import Architecture, Block
from vww_deploy.search import space, study
from vww_deploy.search.costs import Limits, planned_cost
from vww_deploy.search.space import Staged
from vww_deploy.search.study import SearchStudy

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
from vww_deploy.search import finals, ranking
from vww_deploy.search.finals import Budget, Sizes, learn
from vww_deploy.search.parent import covering, first_values, forward, inherited
from vww_deploy.search.report import write_csv, write_page
from vww_deploy.training import package, recipes
from vww_deploy.training.datasets import PictureArrays, read_dataset
from vww_deploy.training.mobilenet import build_network
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.run import Job, read_recipe
from vww_deploy.training.train import train
from vww_deploy.training.views import ViewCache

pytestmark = pytest.mark.train

WIDE = Staged(Architecture("inverted", 32, 3, 8, (Block(8, 5, 2, 3), Block(8, 5, 1, 3), Block(16, 3, 2, 2))), (2, 1))
NARROW = Staged(Architecture("inverted", 24, 1, 4, (Block(4, 3, 2, 2), Block(12, 3, 1, 2))), (1, 1))
ROOMY = Limits("nano33ble", 64_000_000, 12_000_000, 100_000, 300_000)


def test_a_parent_covers_its_candidates_and_gives_each_its_slices() -> None:
    parent = covering([WIDE, NARROW], max)
    # The largest of everything, on pictures of the median side.
    assert parent == dataclasses.replace(WIDE, architecture=dataclasses.replace(WIDE.architecture, side=24))
    values = first_values(parent.architecture)
    mine = inherited(parent, values, NARROW)
    # The second stage of the child is the third block of the parent, whose first stage has two.
    assert np.array_equal(mine["dw2/kernel"], values["dw3/kernel"][:, :, :8])
    assert np.array_equal(mine["dw1/kernel"], values["dw1/kernel"][1:4, 1:4, :8])
    assert np.allclose(mine["conv0/kernel"], values["conv0/kernel"].sum(axis=2, keepdims=True)[..., :4])
    expected = {f"{one.name}/kernel" for one in NARROW.architecture.convolutions()} | {"classes/kernel"}
    assert expected <= set(mine)


def test_slices_compute_what_the_network_in_keras_computes() -> None:
    architecture = WIDE.architecture
    values = first_values(architecture)
    model = build_network(architecture, (32, 32))
    for one in architecture.convolutions():
        model.get_layer(one.name).set_weights([values[f"{one.name}/kernel"]])
    model.get_layer("classes").set_weights([values["classes/kernel"], values["classes/bias"]])
    statistics = {
        one.name: (np.zeros(one.outputs, np.float32), np.ones(one.outputs, np.float32))
        for one in architecture.convolutions()
    }
    x = np.random.default_rng(1).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    logits = forward(architecture, values, x, statistics).numpy()
    assert np.allclose(1 / (1 + np.exp(-logits)), model(x, training=False).numpy()[:, 1], atol=1e-5)


def test_spearman_is_the_correlation_of_ranks() -> None:
    assert ranking.spearman([1, 2, 3], [10, 20, 90]) == pytest.approx(1.0)
    assert ranking.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert ranking.spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.9486833)
    assert math.isnan(ranking.spearman([1, 1], [1, 2]))


def quiet(stage: str, done: int, total: int) -> None:
    """No progress."""


@pytest.fixture
def small_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that train in a second; what they cost is planned, not counted in the emulator."""
    monkeypatch.setattr(space, "SIDES", (24, 32, 8))
    monkeypatch.setattr(space, "_DEPTH", (1, 1))
    monkeypatch.setattr(space, "_WIDTHS", ((8, 12, 4),) * space.STAGES)
    monkeypatch.setattr(study, "counted_cost", planned_cost)
    monkeypatch.setattr(package, "_counted", lambda compiled: {"cycles": 1_000_000})


@pytest.mark.slow
@pytest.mark.usefixtures("small_space")
def test_a_search_that_is_stopped_anywhere_trains_nothing_twice(
    discs: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal, folder = tmp_path / "search.journal", tmp_path / "networks"
    search = SearchStudy(journal, ROOMY, seed=1, resume=False)
    search.run_table(30, quiet)
    search.run_plan(2, quiet, workers=1)
    search.run_counted(2, quiet)
    dataset = read_dataset(discs)
    sizes = Sizes(ranked=2, tuned_pictures=32, batch=16, most_steps=2, most_epochs=1, compared=2)

    def go_on(again: SearchStudy, seconds: float) -> finals.Verdict:
        return learn(again, [], dataset, folder, Budget(seconds, again.cpu_seconds), seed=1, sizes=sizes)

    assert go_on(search, 0.0).cut == ("the ranking of 2 candidates", "all trainings")
    assert not search.learned("tuned")

    whole = train
    begun: list[Path] = []

    def stopped(recipe: Recipe, views: ViewCache, judged: PictureArrays, place: Path, **rest: Any) -> Path:
        begun.append(place)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return whole(recipe, views, judged, place, **rest)

    monkeypatch.setattr(finals, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        go_on(search, 3600.0)
    (first,) = search.learned("trained")
    tuned = search.learned("tuned")
    assert [one.figures["rung"] for one in tuned] == [0, 0, 1, 2]  # both, then the better one

    again = SearchStudy(journal, ROOMY, seed=1, resume=True)
    found = go_on(again, 3600.0)
    trained = again.learned("trained")
    assert again.learned("tuned") == tuned and trained[0] == first
    assert [one.figures["role"] for one in trained] == ["finalist", "finalist"]
    assert len({one.architecture.key for one in trained}) == 2
    assert found.compared == 2 and found.proxy_failed and not found.cut  # two say nothing about the ranking
    for one in trained:
        model = folder / one.figures["model"]
        card = json.loads(model.with_suffix(".json").read_text())
        assert card["ram_bytes"] == one.figures["ram_bytes"] == one.cost.ram_bytes
        assert read_recipe(folder / model.stem).architecture == one.architecture

    # One command trains a network of the search once more. It is the same training as above, so its result is taken.
    name = trained[0].figures["model"].removesuffix(".tflite")
    asked: list[Job] = []

    def trained_again(job: Job, **_: Any) -> None:
        asked.append(job)
        shutil.copytree(folder / name, job.folder)

    monkeypatch.setattr(recipes, "run", trained_again)
    made = recipes.make_found(folder / f"{name}.recipe.json", Job(discs, tmp_path / "anew", Recipe(seed=7)))
    assert asked[0].recipe == dataclasses.replace(read_recipe(folder / name), seed=7)
    assert made.path == tmp_path / "anew" / f"{name}.tflite"
    assert made.path.read_bytes() == (folder / f"{name}.tflite").read_bytes()

    write_csv(tmp_path / "candidates.csv", again)
    rows = list(csv.DictReader((tmp_path / "candidates.csv").open()))
    assert sum(row["stage"] == "trained" and row["role"] != "" for row in rows) == 2
    write_page(tmp_path / "pareto.html", again, [])
    assert "trained: finalist" in (tmp_path / "pareto.html").read_text()


def test_a_search_learns_from_the_same_pictures_to_the_end(tmp_path: Path) -> None:
    search = SearchStudy(tmp_path / "search.journal", ROOMY, seed=1, resume=False)
    search.use_data({"name": "a"})
    search.use_data({"name": "a"})
    with pytest.raises(DataError, match="other pictures"):
        search.use_data({"name": "b"})


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = SearchStudy(tmp_path / "search.journal", ROOMY, seed=1, resume=False)
    search.run_table(2, quiet)

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("optuna.storages.journal.JournalFileBackend.append_logs", full)
        with pytest.raises(DataError, match="No space left on device") as caught:
            search.run_table(4, quiet)
    assert "--resume" in caught.value.hint
    again = SearchStudy(tmp_path / "search.journal", ROOMY, seed=1, resume=True)
    again.run_table(4, quiet)


def test_a_ranking_that_disagrees_with_the_trainings_has_failed() -> None:
    assert finals.Verdict(0.59, 8, ()).proxy_failed
    assert not finals.Verdict(0.6, 8, ()).proxy_failed
    assert finals.Verdict(None, 2, ()).proxy_failed
