"""Where a training begins: Keras's published weights, and sets of pictures that count less than others."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.architecture import Architecture, Block
from vww_deploy.training.datasets import joined, load_arrays, read_dataset

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

from vww_deploy.training import batches, mobilenet, weights  # noqa: E402
from vww_deploy.training.recipe import Recipe  # noqa: E402
from vww_deploy.training.student import Student  # noqa: E402
from vww_deploy.training.views import View, ViewCache, drawn  # noqa: E402


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the one that Keras downloads, with other numbers."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(2)
    model = tf.keras.applications.MobileNet(input_shape=(96, 96, 3), alpha=0.25, include_top=False, weights=None)
    path = tmp_path_factory.mktemp("published") / "mobilenet_2_5_224_tf_no_top.h5"
    model.save(path)  # in Keras's former format, as the published files are
    return path


def test_a_network_with_keras_weights_sees_what_keras_sees(published: Path) -> None:
    import tensorflow as tf

    theirs = tf.keras.applications.MobileNet(input_shape=(96, 96, 3), alpha=0.25, include_top=False, weights=None)
    theirs.load_weights(published)
    mine = mobilenet.build_mobilenet_v1(0.25, (96, 96, 3))
    weights.adopt_weights(mine, published)
    x = np.random.default_rng(1).uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    features = tf.keras.Model(mine.input, mine.get_layer("pw13_relu").output)
    np.testing.assert_allclose(features(x), theirs(x), atol=1e-5)


def test_a_gray_network_with_keras_weights_sees_gray_pictures_of_three_channels(published: Path) -> None:
    import tensorflow as tf

    gray, colour = (mobilenet.build_mobilenet_v1(0.25, (64, 64, channels)) for channels in (1, 3))
    for model in (gray, colour):
        weights.adopt_weights(model, published)
    x = np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 1)).astype(np.float32)
    inside = [tf.keras.Model(one.input, one.get_layer("pw13_relu").output) for one in (gray, colour)]
    np.testing.assert_allclose(inside[0](x), inside[1](np.repeat(x, 3, axis=-1)), atol=1e-4)


def test_keras_loads_its_own_weights_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    asked = []

    def refuse(**arguments: object) -> None:
        asked.append(arguments)
        raise OSError("no internet")

    monkeypatch.setattr(tf.keras.applications, "MobileNet", refuse)
    with pytest.raises(ModelError, match="cannot download its ImageNet weights: no internet") as caught:
        weights.adopt_weights(mobilenet.build_mobilenet_v1(0.25, (96, 96, 3)), weights.IMAGENET)
    assert asked == [{"input_shape": (224, 224, 3), "alpha": 0.25, "include_top": False, "weights": "imagenet"}]
    assert "--initial" in caught.value.hint


def test_a_set_that_counts_less_is_shown_in_turn() -> None:
    share = np.array([1.0] * 10 + [0.25] * 40, np.float32)
    views = [drawn(share, number, seed=3) for number in range(4)]
    assert all(set(range(10)) <= set(one) and len(one) == 20 for one in views)
    assert sorted(np.concatenate([one[one >= 10] for one in views])) == list(range(10, 50))
    np.testing.assert_array_equal(drawn(share, 4, seed=3), views[0])


def test_views_of_two_sets_know_their_pictures(discs: Path, tmp_path: Path) -> None:
    dataset = read_dataset(discs)
    arrays = joined([load_arrays(dataset.split("val"), 40), load_arrays(dataset.split("train"), 40, share=0.25)])
    view = ViewCache(arrays, tmp_path, None, size=32).get(1)
    assert len(view.pictures) == len(view.rows) == 32 + 24
    bright = view.pictures.max(axis=(1, 2, 3)) > 150  # discs are
    assert np.mean(bright == (arrays.labels[view.rows] == 1)) > 0.9
    recipe = Recipe(size=32, batch=8, feature_loss=0.0)
    shown = list(batches.epoch_batches(recipe, ViewCache(arrays, tmp_path, None, size=32), 1, 32))
    assert len(shown) == 56 // 8


def with_scores(discs: Path, folder: Path, score: str) -> Path:
    with (discs / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    path = folder / "labels.csv"
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, [*rows[0], "teacher_score"])
        table.writeheader()
        table.writerows({**row, "file": str(discs / row["file"]), "teacher_score": score} for row in rows)
    return path


def test_a_label_made_by_a_machine_is_not_learned_its_score_is(discs: Path, tmp_path: Path) -> None:
    arrays = load_arrays(read_dataset(with_scores(discs, tmp_path, "0.3")).split("val"), 8)
    count = len(arrays.labels)
    view = View(np.arange(count), np.zeros((count, 8, 8, 3), np.uint8), None, None, (), np.ones(count, bool))
    recipe = Recipe(channels=3, temperature=1.0, distillation_weight=0.5)
    np.testing.assert_allclose(batches.targets(recipe, arrays, view), 0.3)
    said = np.full(count, np.log(0.8 / 0.2), np.float32)
    view = dataclasses.replace(view, teacher=said, teacher_gray=said)
    np.testing.assert_allclose(batches.targets(recipe, arrays, view), 0.8, rtol=1e-5)


@pytest.mark.parametrize("score", ["much", "1.5", "nan"])
def test_a_score_that_is_no_probability(score: str, discs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: teacher_score"):
        read_dataset(with_scores(discs, tmp_path, score))


def test_nothing_of_a_further_set_is_held_back(discs: Path, tmp_path: Path) -> None:
    rows = (discs / "labels.csv").read_text().splitlines()
    path = discs / "only-train.csv"
    path.write_text("\n".join([rows[0], *(row for row in rows if ",train," in row)]))
    try:
        assert read_dataset(path).held_out
        assert read_dataset(path, needs_val=False).counts() == {"train": {"no_person": 48, "person": 48}}
    finally:
        path.unlink()


def test_a_found_network_goes_on_from_its_own_weights(tmp_path: Path) -> None:
    found = Architecture("separable", 16, 3, 4, (Block(6, stride=2), Block(8)), 2)
    recipe = Recipe(architecture=found, size=16, channels=3, feature_loss=0.0)
    trained = recipe.network(fused=True)
    weights.save_weights(trained, tmp_path / "own.weights.h5")
    unused = cast(ViewCache, None)  # pictures: none are looked at before the first step
    student = Student(recipe, unused, tmp_path / "own.weights.h5")
    for mine, kept in zip(student.averaged.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, kept)
