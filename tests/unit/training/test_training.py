"""Training, quantisation and evaluation on a set that can be learned in seconds."""

from __future__ import annotations

import csv
import dataclasses
import gc
import json
import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.unit.training.conftest import SHORT_NETWORK
from vww_deploy.cli import build
from vww_deploy.errors import DataError, ModelError, ToolMissing
from vww_deploy.graph.model import Model
from vww_deploy.pictures.card import InputSpec
from vww_deploy.training.datasets import PictureArrays, load_arrays, read_dataset

pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("short_network")]

from vww_deploy.training import batches, evaluate, mobilenet, recipes, train, weights  # noqa: E402
from vww_deploy.training.augment import Augmentation, any_luma, degrade, mixup, random_views, shift  # noqa: E402
from vww_deploy.training.finetune import fine_tune_int8, fold  # noqa: E402
from vww_deploy.training.float_form import as_float32, checked_tflite  # noqa: E402
from vww_deploy.training.interpret import to_real  # noqa: E402
from vww_deploy.training.package import pack, pixels_of  # noqa: E402
from vww_deploy.training.quantize import float_tflite, layer_noise, operators_of, predict_tflite, quantise  # noqa: E402
from vww_deploy.training.recipe import Recipe  # noqa: E402
from vww_deploy.training.recipes import STAGES, make_shipped  # noqa: E402
from vww_deploy.training.report_html import write_report  # noqa: E402
from vww_deploy.training.rounding import centre_logits, equalise, settle  # noqa: E402
from vww_deploy.training.run import Job, read_recipe, run  # noqa: E402
from vww_deploy.training.teacher import Ensemble, Lesson, Teacher  # noqa: E402
from vww_deploy.training.views import View, ViewCache  # noqa: E402

HOST = str(Path(train.__file__).parents[2])
GRAY32 = InputSpec(32, 32, 1)
TINY = Recipe(depth_multiplier=0.07, size=32, epochs=2, batch=16, views=1, learning_rate=0.01, ema_decay=0.8)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that looks at brightness alone: logits from the mean of the picture."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(3)
    inputs = tf.keras.Input((24, 24, 3))
    x = tf.keras.layers.Conv2D(6, 3, 2, padding="same")(inputs)
    x = tf.keras.layers.Conv2D(8, 3, 2, padding="same")(x)
    x = tf.keras.layers.Conv2D(8, 3, 2, padding="same")(x)
    outputs = tf.keras.layers.Dense(2)(tf.keras.layers.GlobalAveragePooling2D()(x))
    path = tmp_path_factory.mktemp("teacher") / "teacher.tflite"
    path.write_bytes(float_tflite(tf.keras.Model(inputs, outputs)))
    return path


@pytest.fixture(scope="module")
def trained(discs: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short training."""
    folder = tmp_path_factory.mktemp("training")
    run(Job(discs, folder, TINY, teachers=(teacher,)))
    return folder


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_training_leaves_weights_logs_and_checkpoints(trained: Path) -> None:
    rows = log_of(trained)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["feature_loss"]) < float(rows[0]["feature_loss"])  # it comes nearer to the teacher's maps
    assert (trained / train.WEIGHTS_FILE).is_file()
    assert list((trained / "tensorboard").glob("events*"))
    assert read_recipe(trained) == TINY


KILLED = """
import os, signal, sys
from pathlib import Path
from vww_deploy.training import train
from vww_deploy.training.recipe import Recipe
from vww_deploy.training.student import Student
from vww_deploy.training.run import Job, run

learn, steps = Student.learn, iter(range(100))

def one_step(*arguments):
    if next(steps) == 9:  # of 6 an epoch
        os.kill(os.getpid(), signal.SIGKILL)
    return learn(*arguments)

Student.learn = one_step
data, folder, teacher = map(Path, sys.argv[1:])
recipe = Recipe(depth_multiplier=0.07, size=32, epochs=2, batch=16, views=1, learning_rate=0.01, ema_decay=0.8)
run(Job(data, folder, recipe, teachers=(teacher,)))
"""


def test_a_training_killed_within_an_epoch_goes_on(trained: Path, discs: Path, teacher: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SHORT_NETWORK + KILLED, str(discs), str(tmp_path), str(teacher)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": HOST})
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not done.stderr  # TensorFlow says nothing of itself
    assert [row["epoch"] for row in log_of(tmp_path)] == ["1"]
    (tmp_path / "next.averaged.weights.h5").write_bytes(b"half a file")
    with (tmp_path / "log.csv").open("a") as log:
        log.write("2,32,0.6")  # and half a row
    run(Job(discs, tmp_path, TINY, teachers=(teacher,)))
    rows = log_of(tmp_path)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    # Both saw the same batches: the same loss, up to the order in which threads add.
    for mine, whole in zip(rows, log_of(trained), strict=True):
        assert float(mine["loss"]) == pytest.approx(float(whole["loss"]), abs=0.02)


def checkpoint_of(folder: Path, number: int) -> Path:
    return folder / "checkpoint" / f"ckpt-{number}.data-00000-of-00001"


def test_another_network_or_teacher_in_the_folder_is_refused(trained: Path, discs: Path, teacher: Path) -> None:
    recipe = dataclasses.replace(TINY, depth_multiplier=0.1)
    with pytest.raises(ModelError, match="of another network"):
        run(Job(discs, trained, recipe, teachers=(teacher,)))
    assert read_recipe(trained) == TINY
    with pytest.raises(DataError, match="with another teacher"):
        run(Job(discs, trained, TINY))


def test_gray_weights_begin_a_colour_network(trained: Path) -> None:
    gray = weights.load_network(TINY, trained / train.WEIGHTS_FILE)
    colour = weights.load_network(dataclasses.replace(TINY, channels=3), trained / train.WEIGHTS_FILE)
    rgb = np.random.default_rng(1).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    luma = rgb @ np.array([[0.299], [0.587], [0.114]], np.float32)
    np.testing.assert_allclose(gray(luma), colour(rgb), atol=1e-4)


def test_weights_of_something_else(trained: Path, tmp_path: Path) -> None:
    model = mobilenet.build_mobilenet_v1(0.07, (32, 32, 1))
    whole = (trained / train.WEIGHTS_FILE).read_bytes()
    for name, content in (("text", b"nothing"), ("half", whole[: len(whole) // 2])):
        path = tmp_path / f"{name}.weights.h5"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="is damaged"):
            weights.adopt_weights(model, path)
    with pytest.raises(ModelError, match="there are no weights"):
        weights.adopt_weights(model, tmp_path / "none.weights.h5")
    mobilenet.build_mobilenet_v1(0.05, (32, 32, 1)).save_weights(tmp_path / "narrow.weights.h5")
    with pytest.raises(ModelError, match=r"holds no weights of mobilenet_v1_0\.07"):
        weights.adopt_weights(model, tmp_path / "narrow.weights.h5")


def test_the_fused_normalisation_trains_as_keras_does() -> None:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    x, target = np.random.default_rng(1).normal(size=(8, 32, 32, 1)).astype(np.float32), np.arange(8) % 2
    plain, fused = (mobilenet.build_mobilenet_v1(0.07, (32, 32, 1), fused=one) for one in (False, True))
    fused.set_weights(plain.get_weights())
    gradients = []
    for model in (plain, fused):
        with tf.GradientTape() as tape:
            out = model(x, training=True)
            loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(target, out))
        gradients.append(tape.gradient(loss, model.trainable_variables))
    for mine, theirs in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0.01, atol=1e-3 * np.abs(theirs).max())
    # The moving variances are of all such pictures, not of this batch: one part in N - 1 more.
    for mine, theirs in zip(fused.non_trainable_variables, plain.non_trainable_variables, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0.02, atol=1e-5)
    np.testing.assert_allclose(fused(x), plain(x), atol=0.01)


def test_class_weights_balance_the_classes() -> None:
    weights = batches.class_weights(np.array([1, 1, 1, 0]))
    assert weights[:3].sum() == pytest.approx(weights[3])
    assert weights.mean() == pytest.approx(1)


def test_views_are_the_same_every_time_and_of_one_data_set(discs: Path, tmp_path: Path) -> None:
    arrays = load_arrays(read_dataset(discs).split("val"), 40)
    first, second = (ViewCache(arrays, tmp_path / name, None, size=32).get(0) for name in "ab")
    np.testing.assert_array_equal(first.pictures, second.pictures)
    other = dataclasses.replace(arrays, pictures=arrays.pictures[::-1].copy())  # as many, and each of them
    with pytest.raises(DataError, match="made in another way: of other pictures"):
        ViewCache(other, tmp_path / "a", None, size=32)
    changed: list[dict[str, Any]] = [{"size": 40}, {"seed": 2}, {"augmentation": Augmentation(aspect=0.1)}]
    for changes in changed:
        with pytest.raises(DataError, match="made in another way"):
            ViewCache(arrays, tmp_path / "a", None, **{"size": 32, **changes})
    ViewCache(arrays, tmp_path / "a", None, size=32, augmentation=Augmentation(brightness=0.4))  # no matter of views


def test_a_damaged_view_is_made_anew(discs: Path, tmp_path: Path) -> None:
    arrays = load_arrays(read_dataset(discs).split("val"), 40)
    said: list[str] = []
    whole = ViewCache(arrays, tmp_path, None, size=32).get(0)
    for size in (1000, 0):
        os.truncate(tmp_path / "view-000.npz", size)
        again = ViewCache(arrays, tmp_path, None, size=32, progress=said.append).get(0)
        np.testing.assert_array_equal(again.pictures, whole.pictures)
    assert said == ["making view 1: 32 of 32 pictures"] * 2


def test_a_view_that_another_training_is_making_is_waited_for(discs: Path, tmp_path: Path) -> None:
    arrays = load_arrays(read_dataset(discs).split("val"), 40)
    said: list[str] = []
    both = [ViewCache(arrays, tmp_path, None, size=32, progress=said.append) for _ in "ab"]
    for views in both:
        views._awaited = 0
        views.prepare(0)  # each in a thread of its own
    first, second = (views.get(0) for views in both)
    np.testing.assert_array_equal(first.pictures, second.pictures)
    assert said == ["making view 1: 32 of 32 pictures"]


def test_what_the_teacher_said_is_kept_with_the_picture_it_saw(discs: Path, teacher: Path, tmp_path: Path) -> None:
    arrays = load_arrays(read_dataset(discs).split("train"), 40)
    asked = Ensemble([Teacher(teacher)])
    view = ViewCache(arrays, tmp_path, asked, size=32).get(0)
    assert view.teacher is not None
    again = asked(view.pictures.astype(np.float32))
    np.testing.assert_allclose(view.teacher, again.logits, atol=0.01)  # views are kept in whole gray levels
    assert np.std(view.teacher) > 0.1


def test_a_teacher_of_colour_is_also_asked_what_it_sees_without(teacher: Path) -> None:
    colour = np.random.default_rng(6).uniform(0, 255, (4, 24, 24, 3)).astype(np.float32)
    gray = np.repeat(colour @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=-1)
    asked = Teacher(teacher)
    lesson = asked(colour)
    np.testing.assert_allclose(lesson.gray_logits, asked(gray).logits, atol=1e-3)
    assert np.abs(lesson.gray_logits - lesson.logits).max() > 0.01


def test_teachers_are_averaged_over_a_picture_and_its_mirror_image(teacher: Path) -> None:
    pictures = np.random.default_rng(7).uniform(0, 255, (3, 24, 24, 3)).astype(np.float32)
    one = Teacher(teacher)
    says_nothing = lambda x: Lesson(np.zeros(len(x), np.float32), np.zeros(len(x), np.float32), ())  # noqa: E731
    says_nothing.sha256 = "0" * 64  # type: ignore[attr-defined]
    said = Ensemble([one, says_nothing])(pictures)  # type: ignore[list-item]
    both = one(pictures), one(pictures[:, :, ::-1])
    np.testing.assert_allclose(said.logits, (both[0].logits + both[1].logits) / 4, rtol=1e-5)
    np.testing.assert_allclose(said.gray_logits, (both[0].gray_logits + both[1].gray_logits) / 4, rtol=1e-5)
    np.testing.assert_array_equal(said.maps[0], both[0].maps[0])


def test_a_gray_network_learns_a_mean_of_what_the_teacher_says_with_and_without_colour(discs: Path) -> None:
    arrays = load_arrays(read_dataset(discs).split("val"), 8)
    count = len(arrays.labels)
    nothing, pictures = np.zeros(count, bool), np.zeros((count, 8, 8, 3), np.uint8)
    view = View(
        np.arange(count), pictures, np.full(count, 2.0, np.float32), np.full(count, -1.0, np.float32), (), nothing
    )
    gray, colour = (dataclasses.replace(TINY, channels=n, gray_weight=0.25, temperature=2.0) for n in (1, 3))
    for recipe, odds in ((gray, (0.75 * 2.0 - 0.25) / 2.0), (colour, 2.0 / 2.0)):
        wanted = batches.targets(recipe, arrays, view)
        np.testing.assert_allclose(np.log(wanted / (1 - wanted)), odds, rtol=1e-5)


def test_gray_is_seen_in_any_mixture_of_the_colours() -> None:
    x = np.zeros((64, 2, 2, 3), np.float32)
    x[..., 2] = 100.0
    seed = np.array([3, 4], np.int32)
    strict, free = (np.asarray(any_luma(x, seed, Augmentation(luma=luma)))[:, 0, 0, 0] for luma in (0.0, 1.0))
    np.testing.assert_allclose(strict, 11.4, rtol=1e-5)
    assert 0 <= free.min() < 11.4 < 40 < free.max() <= 100
    white = any_luma(np.full((64, 2, 2, 3), 200.0, np.float32), seed, Augmentation())
    np.testing.assert_allclose(white, 200.0, rtol=1e-5)


def test_a_shift_moves_a_picture_by_a_few_pixels() -> None:
    import tensorflow as tf

    ground = 118.0  # what is seen beyond a picture's edge
    x = np.full((64, 40, 40, 1), ground, np.float32)
    x[:, 18:22, 18:22] = 255.0
    seed, rows = tf.constant([5, 6]), np.arange(40)[None, :, None, None]
    for part, reach in ((0.0, 0.01), (0.1, 6.0)):
        moved = np.asarray(shift(x, seed, Augmentation(shift=part))) - ground
        middle = (moved * rows).sum(axis=(1, 2, 3)) / moved.sum(axis=(1, 2, 3))
        assert np.abs(middle - 19.5).max() < reach
    assert np.std(middle) > 1.0


def test_mixed_pictures_and_all_that_belongs_to_them() -> None:
    import tensorflow as tf

    count = 64
    x = np.arange(count, dtype=np.float32)
    parts = (x[:, None, None, None] * np.ones((1, 2, 2, 1), np.float32), x, x[:, None].astype(np.float16))
    for share in (0.0, 0.5, 1.0):
        pictures, targets, maps = mixup(parts, tf.constant([5, 6]), Augmentation(mixup=share))
        np.testing.assert_allclose(np.asarray(pictures)[:, 1, 1, 0], targets)
        np.testing.assert_allclose(np.asarray(maps)[:, 0], targets, rtol=2e-3, atol=0.1)
        part = (x - np.asarray(targets)) / (x - np.roll(x, 1))
        assert part.max() <= 0.5
        assert np.count_nonzero(part) == pytest.approx(share * count, abs=14)


def test_cut_out_rectangles_are_one_gray() -> None:
    import tensorflow as tf

    plain: dict[str, Any] = dict.fromkeys(("brightness", "contrast", "blur", "low_resolution", "noise"), 0.0)
    x = np.full((64, 40, 40, 1), 300.0, np.float32)  # whiter than any gray that hides
    hidden = np.asarray(degrade(x, tf.constant([5, 6]), Augmentation(**plain, cutout=1.0)))
    share = (hidden < 255.0).mean(axis=(1, 2, 3))
    assert 0.02 < share.mean() < 0.4**2 and share.max() < 0.43**2
    assert all(len(np.unique(one)) <= 2 for one in hidden)


def test_a_picture_is_pasted_onto_another_and_no_label_holds() -> None:
    pictures = np.zeros((64, 40, 40, 3), np.uint8)
    pictures[::2] = 255
    plain = Augmentation(crop=(0.8, 0.9), aspect=0.0, jpeg=0.0, paste=0.0)
    pasted, kept = (
        tuple(np.asarray(one) for one in random_views(pictures, 32, np.array([1, 2], np.int32), how))
        for how in (dataclasses.replace(plain, paste=1.0), plain)
    )
    assert all(set(np.unique(one.round())) == {0.0, 255.0} for one in pasted[0])
    assert not pasted[1].any() and kept[1].all()
    share = np.abs(pasted[0] - kept[0]).mean(axis=(1, 2, 3)) / 255
    assert share.min() > 0.3**2 * 0.8 and share.max() < 0.75**2 * 1.2


def test_a_view_is_forgotten_after_its_epoch(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow itself lets go of nothing that a data set refers to: half a gigabyte an epoch."""
    views = ViewCache(load_arrays(read_dataset(discs).split("train"), 40), tmp_path, None, size=32)
    shown: list[weakref.ref[np.ndarray]] = []

    def get(number: int) -> View:
        view = ViewCache.get(views, number)
        shown.append(weakref.ref(view.pictures))
        return view

    monkeypatch.setattr(views, "get", get)
    assert len(list(batches.epoch_batches(TINY, views, 0, 32))) == 6
    gc.collect()
    assert [one() for one in shown] == [None]


def test_a_part_of_each_batch_alone_is_degraded(discs: Path, tmp_path: Path) -> None:
    views = ViewCache(load_arrays(read_dataset(discs).split("train"), 40), tmp_path, None, size=32)
    plain, quarter = (
        next(batches.epoch_batches(dataclasses.replace(TINY, augmentation=Augmentation(degraded=one)), views, 0, 32))[0]
        for one in (0.0, 0.25)
    )
    changed = [bool(np.any(a != b)) for a, b in zip(plain.numpy(), quarter.numpy(), strict=True)]
    assert changed == [True] * (TINY.batch // 4) + [False] * (TINY.batch - TINY.batch // 4)


def test_int8(trained: Path, discs: Path) -> None:
    dataset = read_dataset(discs)
    model = weights.load_network(TINY, trained / train.WEIGHTS_FILE)
    exact = float_tflite(model)
    pixels, _ = pixels_of(dataset.split("val"), GRAY32)
    rough = quantise(exact, pixels)
    assert set(operators_of(rough)) <= {
        "CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX", "DELEGATE"
    }  # fmt: skip
    from vww_deploy.graph.reader import read_model

    graph = read_model(rough)
    assert graph.input_activation.quantization.zero_point == 0
    assert graph.input_activation.quantization.scale == 1 / 128  # so int8 is the pixel minus 128
    difference = np.abs(predict_tflite(exact, pixels) - predict_tflite(rough, pixels))
    assert difference.mean() < 0.06
    with pytest.raises(DataError, match="representative"):
        quantise(exact, pixels[:0])


def test_folding_changes_nothing_and_fine_tuning_keeps_the_network(trained: Path, discs: Path) -> None:
    model = weights.load_network(TINY, trained / train.WEIGHTS_FILE)
    x = np.random.default_rng(2).uniform(-1, 1, (8, 32, 32, 1)).astype(np.float32)
    np.testing.assert_allclose(model(x), fold(model)(x), atol=1e-4)
    tuned = fine_tune_int8(model, pixels_of(read_dataset(discs).split("train"), GRAY32)[0])
    assert np.abs(np.asarray(tuned(x)) - np.asarray(model(x))).mean() < 0.05
    assert not np.array_equal(tuned.get_layer("pw5").get_weights()[0], fold(model).get_layer("pw5").get_weights()[0])


def test_no_picture_is_rounded_into_a_tie(discs: Path) -> None:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(4)
    model = mobilenet.build_mobilenet_v1(0.07, (32, 32, 1))
    kernel = model.get_layer("classes").get_weights()[0]
    pixels, _ = pixels_of(read_dataset(discs).split("train"), GRAY32)
    model.get_layer("classes").set_weights([kernel / _odds(predict_model(model, pixels)).std(), np.zeros(2)])
    middle = _odds(predict_model(model, pixels)).mean() / 2
    model.get_layer("classes").set_weights([model.get_layer("classes").get_weights()[0], np.array([middle, -middle])])
    exact = float_tflite(model)
    centred = centre_logits(exact)
    said = predict_tflite(exact, pixels)
    np.testing.assert_allclose(predict_tflite(centred, pixels), said, atol=1e-5)
    assert 0.5 < _odds(said).std() < 1.5
    rough = predict_tflite(quantise(centred, pixels), pixels)
    assert not np.any(rough == 0.5)
    assert abs(float(np.mean(_odds(rough) - _odds(said)))) < 0.03


def predict_model(model: Any, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(model(to_real(pixels), training=False))[:, 1]


def _odds(person: np.ndarray) -> np.ndarray:
    person = np.clip(person.astype(np.float64), 0.01, 0.99)
    odds: np.ndarray = np.log(person / (1 - person))
    return odds


def test_equal_channels_say_the_same_with_less_noise(trained: Path, discs: Path) -> None:
    model = weights.load_network(TINY, trained / train.WEIGHTS_FILE)
    pixels, _ = pixels_of(read_dataset(discs).split("train"), GRAY32)
    # One channel of the first convolution is far larger than the other one, and its reader makes up for it.
    gamma, beta, *statistics = model.get_layer("conv0_bn").get_weights()
    large = np.array([1.0, 0.05], np.float32)
    model.get_layer("conv0_bn").set_weights([gamma * large, beta * large, *statistics])
    kernel = model.get_layer("dw1").get_weights()[0]
    model.get_layer("dw1").set_weights([kernel / large[None, None, :, None]])
    exact = float_tflite(model)
    equal = equalise(exact, pixels)
    np.testing.assert_allclose(predict_tflite(equal, pixels), predict_tflite(exact, pixels), atol=1e-4)
    before, after = (
        {one.name: one.snr_db for one in layer_noise(it, quantise(it, pixels), pixels)} for it in (exact, equal)
    )
    behind = next(name for name in before if "dw1" in name)
    assert after[behind] > before[behind] + 3


def test_settling_leaves_a_model_without_a_classifier_alone() -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((8, 8, 1))
    exact = float_tflite(tf.keras.Model(inputs, tf.keras.layers.Conv2D(2, 8)(inputs)))
    assert centre_logits(exact) == exact
    assert settle(exact, exact, np.zeros((1, 8, 8, 1), np.uint8)) == exact


def test_pack_writes_a_model_that_the_rest_understands(trained: Path, discs: Path, tmp_path: Path) -> None:
    model = weights.load_network(TINY, trained / train.WEIGHTS_FILE)
    packed = pack(model, read_dataset(discs), tmp_path / "disc.tflite", splits=("val", "test"))
    loaded = Model.load(packed.path)
    assert loaded.card == packed.card
    assert loaded.card.sha256 == loaded.sha256
    assert loaded.card.details["accuracy"]["test"]["pictures"] == 32
    assert packed.noise and packed.noise == tuple(sorted(packed.noise, key=lambda one: one.snr_db))
    with pytest.raises(DataError, match="cannot be written"):
        pack(model, read_dataset(discs), trained / "log.csv" / "x.tflite")


def test_evaluate(trained: Path, discs: Path, tmp_path: Path) -> None:
    packed = pack(weights.load_network(TINY, trained / train.WEIGHTS_FILE), read_dataset(discs), tmp_path / "d.tflite")
    loaded, dataset = Model.load(packed.path), read_dataset(discs).split("test")
    answers, skipped = evaluate.answer_all(loaded, dataset, evaluate.reference_probability(loaded))
    result = evaluate.evaluate(loaded, dataset, answers, split="test", ran_on="here")
    assert not skipped
    assert result.pictures == 32
    right = sum((one.person >= 0.5) == bool(one.picture.label) for one in answers)
    assert result.top1 == right / 32
    assert sum(group.pictures for group in result.by_brightness) == 32
    assert sum(group.pictures for group in result.by_person_size) == 16
    for choice in result.thresholds:
        assert choice.false_alarm_rate <= choice.wanted
    write_report(result, answers, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") == 4
    assert page.count("95 % interval") >= 4
    assert page.count("data:image/jpeg") == min(24, 32 - right)
    assert "http" not in page.replace("http-equiv", "")


def test_the_commands(discs: Path, tmp_path: Path) -> None:
    runner, folder, model = CliRunner(), str(tmp_path / "t"), str(tmp_path / "m.tflite")
    common = ["--depth-multiplier", "0.07", "--size", "32"]
    done = runner.invoke(build(), ["train", str(discs), "-o", folder, "--smoke", *common])
    assert done.exit_code == 0, done.output
    assert [path.name for path in Path(folder).iterdir()] == ["smoke"]  # nothing that a real training would go on from
    folder += "/smoke"
    done = runner.invoke(build(), ["quantize", folder, str(discs), "-o", model, "--no-fine-tune", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["int8_figures"]["val"]["pictures"] == 32
    arguments = ["evaluate", model, str(discs), "--false-alarm-rate", "0.1", "--save-threshold", "--json"]
    done = runner.invoke(build(), arguments)
    assert done.exit_code == 0, done.output
    wanted: dict[str, Any] = json.loads(done.stdout)["wanted"]
    assert wanted["false_alarm_rate"] <= 0.1
    assert Model.load(model).card.threshold == pytest.approx(min(1.0, wanted["threshold"]))


def test_one_command_makes_a_shipped_model_anew(
    discs: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = {name: dataclasses.replace(TINY, channels=3, size=one.recipe.size) for name, one in STAGES.items()}
    stages = {name: dataclasses.replace(one, recipe=tiny[name]) for name, one in STAGES.items()}
    monkeypatch.setattr(recipes, "STAGES", stages)
    mobilenet.build_mobilenet_v1(0.07, (96, 96, 3)).save_weights(tmp_path / "imagenet.weights.h5")
    arguments = ["train", str(discs), "--recipe", "person_96_rgb", "--teacher", str(teacher), "--smoke", "--json"]
    arguments += ["--more", f"{discs}=0.5", "--initial", str(tmp_path / "imagenet.weights.h5"), "-o", str(tmp_path)]
    done = CliRunner().invoke(build(), arguments)
    assert done.exit_code == 0, done.output
    trained = ["colour", "person_96_rgb"]
    assert all((tmp_path / stage / "smoke" / train.WEIGHTS_FILE).is_file() for stage in trained)
    assert len(json.loads(done.stdout)["epochs"]) == 2 * len(trained)
    made = [json.loads((tmp_path / views / "smoke" / "made.json").read_text()) for views in ("views", "views_colour")]
    assert [len(one["teachers"]) for one in made] == [1, 2]
    folder = tmp_path / "person_96_rgb" / "smoke"
    assert (folder / "person_96_rgb.weights.h5").is_file()
    card = Model.load(folder / "person_96_rgb.tflite").card
    assert (card.input.height, card.input.channels) == (96, 3)
    assert card.details["accuracy"]["test"]["pictures"] == 32
    assert [one["name"] for one in card.details["degraded"]][:2] == ["clean", "dark"]
    assert card.details["not_for"] and card.details["licences"]["model"].startswith("MIT")


@pytest.mark.parametrize("more", ["photos=much", "photos=0", "photos=1.5"])
def test_a_part_that_no_set_can_have(more: str, discs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(build(), ["train", str(discs), "-o", str(tmp_path), "--smoke", "--more", more])
    assert isinstance(done.exception, DataError) and "is no part of a set" in done.exception.message


def test_a_recipe_of_another_name(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recipe is called person_96_blue"):
        make_shipped("person_96_blue", discs, tmp_path)


@pytest.mark.parametrize("content", [b"", b"TFL3 but nothing else", bytes(400)])
def test_a_teacher_that_cannot_be_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "teacher.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"teacher\.tflite: (the file is empty|not a \.tflite file)"):
        Teacher(path)


def test_a_damaged_teacher_does_not_end_the_program(teacher: Path, tmp_path: Path) -> None:
    """Some of these flips are a segmentation fault in LiteRT's interpreter, which so runs in a process of its own."""
    whole = teacher.read_bytes()
    path = tmp_path / "damaged.tflite"
    refused = 0
    for seed in range(40):
        damaged = bytearray(whole)
        for bit in np.random.default_rng(seed).integers(0, 8 * len(whole), 3).tolist():
            damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            as_float32(checked_tflite(path))
        except ModelError:
            refused += 1
    assert refused > 10


def test_a_teacher_of_another_shape(tmp_path: Path) -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((16, 16, 3))
    outputs = tf.keras.layers.Dense(5)(tf.keras.layers.GlobalAveragePooling2D()(inputs))
    path = tmp_path / "five.tflite"
    path.write_bytes(float_tflite(tf.keras.Model(inputs, outputs)))
    with pytest.raises(ModelError, match=r"to \[1, 5\]"):
        Teacher(path)


def test_a_keras_teacher_says_what_its_tflite_says(tmp_path: Path) -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((16, 16, 1))
    x = tf.keras.layers.Conv2D(4, 3, 2, padding="same")(inputs)
    x = tf.keras.layers.Conv2D(4, 3, 2, padding="same")(x)
    outputs = tf.keras.layers.Dense(2)(tf.keras.layers.GlobalAveragePooling2D()(x))
    model = tf.keras.Model(inputs, outputs)
    model.save(tmp_path / "teacher.keras")
    (tmp_path / "teacher.tflite").write_bytes(float_tflite(model))
    pictures = np.random.default_rng(1).uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)
    first, second = (Teacher(tmp_path / name)(pictures) for name in ("teacher.keras", "teacher.tflite"))
    np.testing.assert_allclose(first.logits, second.logits, atol=1e-4)
    assert [one.shape for one in first.maps] == [(3, 8, 8, 4), (3, 4, 4, 4)]


def test_a_teacher_that_takes_one_picture_only_is_asked_about_each(tmp_path: Path) -> None:
    import tensorflow as tf

    inputs = tf.keras.Input((16, 16, 1))
    x = tf.keras.layers.Conv2D(4, 3, 2, padding="same")(inputs)
    outputs = tf.keras.layers.Dense(2)(tf.keras.layers.Flatten()(x))
    model = tf.keras.Model(inputs, outputs)
    (tmp_path / "flat.tflite").write_bytes(float_tflite(model))
    pictures = np.random.default_rng(1).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)
    lesson = Teacher(tmp_path / "flat.tflite")(pictures)
    gray = (pictures @ np.array([[0.299], [0.587], [0.114]], np.float32)) / 127.5 - 1
    said = model(gray).numpy()
    np.testing.assert_allclose(lesson.logits, said[:, 1] - said[:, 0], atol=1e-4)
    assert [one.shape for one in lesson.maps] == [(3, 8, 8, 4)]


def test_a_narrow_network_takes_the_channels_of_a_wide_one(tmp_path: Path) -> None:
    wide = mobilenet.build_mobilenet_v1(0.25, (None, None, 1))
    wide.save_weights(tmp_path / "wide.weights.h5")
    narrow = mobilenet.build_mobilenet_v1(0.125, (None, None, 1))
    weights.adopt_weights(narrow, tmp_path / "wide.weights.h5")
    stem, from_stem = (one.get_layer("conv0").get_weights()[0] for one in (narrow, wide))
    places = [int(np.argmin(np.abs(from_stem - stem[..., [i]]).sum(axis=(0, 1, 2)))) for i in range(4)]
    assert places == sorted(set(places))
    np.testing.assert_array_equal(stem, from_stem[..., places])


def test_one_class_only(discs: Path, tmp_path: Path) -> None:
    rows = [row for row in (discs / "labels.csv").read_text().splitlines() if ",1," not in row]
    for path in discs.glob("*.png"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    with pytest.raises(DataError, match="no picture with the label 1"):
        run(Job(tmp_path, tmp_path / "out", TINY))


def test_without_tensorflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorflow", None)
    with pytest.raises(ToolMissing) as caught:
        mobilenet.build_mobilenet_v1()
    assert "tensorflow" in caught.value.hint


@pytest.mark.parametrize(("size", "side"), [(32, 128), (96, 128), (224, 298)])
def test_pictures_are_held_at_a_third_more_than_the_network_sees(
    size: int, side: int, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[tuple[int, ...]] = []

    def watch(recipe: Recipe, views: ViewCache, validation: PictureArrays, *_: object, **__: object) -> Path:
        held.extend(one.pictures.shape[1:] for one in (views.training, validation))
        return tmp_path

    monkeypatch.setattr("vww_deploy.training.run.train", watch)
    run(Job(discs, tmp_path, dataclasses.replace(TINY, size=size)))
    assert held == [(side, side, 3)] * 2


@pytest.mark.parametrize(
    "option",
    [
        "--channels=2", "--size=0", "--size=1", "--early-size=1", "--early-part=2", "--seed=-5", "--seed=99999999999",
        "--depth-multiplier=nan", "--depth-multiplier=inf", "--learning-rate=-1",
    ],
)  # fmt: skip
def test_an_option_that_no_training_can_have(option: str, discs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(build(), ["train", str(discs), "-o", str(tmp_path), "--smoke", option])
    assert done.exit_code != 0
    assert isinstance(done.exception, SystemExit | DataError)


def test_any_seed_can_be_used(discs: Path, tmp_path: Path) -> None:
    views = ViewCache(load_arrays(read_dataset(discs).split("train"), 40), tmp_path, None, size=32, seed=2**31 - 1)
    recipe = dataclasses.replace(TINY, seed=2**31 - 1)
    assert len(list(batches.epoch_batches(recipe, views, 0, 32))) == 6
