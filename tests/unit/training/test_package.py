"""Networks from anywhere as int8 models: what their cards say, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vww_deploy.cli import build
from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph.model import Model, shipped_models
from vww_deploy.training.datasets import SPLITS, Dataset, LabelledPicture, read_dataset

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

from vww_deploy.graph.reader import read_model  # noqa: E402
from vww_deploy.training import evaluate, package  # noqa: E402
from vww_deploy.training.float_form import takes_raw_pixels  # noqa: E402
from vww_deploy.training.interpret import open_interpreter  # noqa: E402
from vww_deploy.training.package import pack  # noqa: E402
from vww_deploy.training.quantize import float_tflite, predict_tflite, quantise  # noqa: E402
from vww_deploy.training.sources import _last_row  # noqa: E402


def network(outputs: int = 2, activation: str | None = "softmax", side: int | None = 40, channels: int = 1) -> Any:
    """A small network that knows nothing; the same weights every time."""
    tf.keras.utils.set_random_seed(3)
    inputs = tf.keras.Input((side, side, channels))
    x = tf.keras.layers.Conv2D(8, 3, 2, activation="relu", name="first")(inputs)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(outputs, activation=activation, name="last")(x))


def evaluated(path: Path, dataset: Dataset, split: str) -> evaluate.Evaluation:
    model, chosen = Model.load(path), dataset.split(split)
    answers, _ = evaluate.answer_all(model, chosen, evaluate.reference_probability(model))
    return evaluate.evaluate(model, chosen, answers, split=split, ran_on="here")


def test_a_card_says_by_split_and_class_what_evaluate_says(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fast_kernels(model: bytes, pixels: np.ndarray, *more: Any) -> np.ndarray:
        is_float = open_interpreter(model).get_input_details()[0]["dtype"] == np.float32
        return predict_tflite(model, pixels, *more) if is_float else np.zeros(len(pixels))

    monkeypatch.setattr(package, "predict_tflite", fast_kernels)  # no word of theirs on int8 gets into the card
    dataset = read_dataset(discs)
    packed = pack(network(), dataset, tmp_path / "m.tflite", splits=SPLITS)
    card = Model.load(packed.path).card
    assert list(card.details["accuracy"]) == list(SPLITS)
    for split, stated in card.details["accuracy"].items():
        found, exact = evaluated(packed.path, dataset, split), packed.float_figures[split]
        assert stated == {
            "pictures": found.pictures,
            "int8": round(found.top1, 4),
            "int8_person": round(found.person, 4),
            "int8_no_person": round(found.no_person, 4),
            "int8_roc_auc": round(found.roc_auc, 4),
            "float": round(exact.top1, 4),
            "float_person": round(exact.person, 4),
            "float_no_person": round(exact.no_person, 4),
            "float_roc_auc": round(exact.roc_auc, 4),
        }


@pytest.mark.parametrize("path", shipped_models(), ids=lambda path: path.stem)
def test_a_shipped_card_says_accuracy_by_split_and_class(path: Path) -> None:
    details = Model.load(path).card.details
    for split in ("val", "test"):
        stated, counts = details["accuracy"][split], details["data"]["pictures"][split]
        assert stated["pictures"] == sum(counts.values())
        right = sum(stated[f"int8_{name}"] * count for name, count in counts.items())
        assert stated["int8"] == pytest.approx(right / stated["pictures"], abs=1e-4)


def test_logits_are_measured_through_a_softmax(discs: Path, tmp_path: Path) -> None:
    dataset = read_dataset(discs)
    logits, probabilities = (
        pack(network(activation=last), dataset, tmp_path / f"{last}.tflite") for last in (None, "softmax")
    )
    assert logits.float_figures["val"].roc_auc == pytest.approx(probabilities.float_figures["val"].roc_auc)
    assert logits.float_figures["val"].top1 == probabilities.float_figures["val"].top1
    assert logits.int8_figures["val"].top1 == evaluated(logits.path, dataset, "val").top1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outputs": 3}, "ends in 3 values, and nobody knows which of them is a person"),
        ({"channels": 4}, "takes 4 channels"),
        ({"side": None}, "takes any size"),
    ],
)
def test_a_network_of_another_kind_is_refused(
    discs: Path, tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ModelError, match=expected):
        pack(network(**changes), read_dataset(discs), tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())


def test_one_sigmoid_and_several_classes_are_quantised_with_their_labels(discs: Path, tmp_path: Path) -> None:
    dataset = read_dataset(discs)
    single = pack(network(1, "sigmoid"), dataset, tmp_path / "single.tflite")
    assert Model.load(single.path).outputs.channels == 1
    several = pack(network(3), dataset, tmp_path / "several.tflite", labels=("cat", "guy", "dog"), person_label="guy")
    outputs = Model.load(several.path).outputs
    assert (outputs.labels, outputs.person) == (("cat", "guy", "dog"), 1)
    for packed in (single, several):
        assert packed.int8_figures["val"].top1 == evaluated(packed.path, dataset, "val").top1
        assert packed.int8_figures["val"].roc_auc == pytest.approx(packed.float_figures["val"].roc_auc, abs=0.1)


def test_float16_and_dynamic_range_files_and_preprocessing_inside_are_quantised(discs: Path, tmp_path: Path) -> None:
    inputs = tf.keras.Input((40, 40, 1))
    inner = network()
    model = tf.keras.Model(inputs, inner(tf.keras.layers.Rescaling(1 / 127.5, -1)(inputs)))
    dataset = read_dataset(discs)
    padded = tf.keras.layers.Conv2D(2, 3, padding="same")(tf.keras.layers.Rescaling(1 / 127.5, -1)(inputs))
    assert takes_raw_pixels(float_tflite(tf.keras.Model(inputs, padded)))
    assert not takes_raw_pixels(float_tflite(inner))
    plain = pack(model, dataset, tmp_path / "plain.tflite")
    assert plain.card.input.pixel_range == (0.0, 255.0)
    for form in ("float16", "dynamic"):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if form == "float16":
            converter.target_spec.supported_types = [tf.float16]
        source = tmp_path / f"{form}_float.tflite"
        source.write_bytes(converter.convert())
        with pytest.raises(ModelError) as caught:
            Model.load(source)
        assert "vww-deploy quantize" in caught.value.hint
        pictures = np.arange(2 * 40 * 40, dtype=np.uint8).reshape(2, 40, 40, 1)
        assert read_model(quantise(float_tflite(source), pictures, pixel_range=(0.0, 255.0))).macs


def test_a_network_from_elsewhere_says_its_size_and_pixels(discs: Path, tmp_path: Path) -> None:
    """The same network twice, one trained on (pixel - 128) / 128, the other on pixel / 255."""
    usual, other = network(side=None), network(side=None)
    kernel, bias = usual.get_layer("first").get_weights()
    other.get_layer("first").set_weights([kernel * 255 / 128, bias - kernel.sum(axis=(0, 1, 2))])
    usual.save(tmp_path / "usual.keras")
    other.save(tmp_path / "other.keras")
    found = {}
    for name, pixels in (("usual", []), ("other", ["--pixel-range", "0", "1"])):
        model = tmp_path / f"{name}.tflite"
        arguments = [
            "quantize",
            str(tmp_path / f"{name}.keras"),
            str(discs),
            "-o",
            str(model),
            "--size",
            "40",
            "--test",
        ]
        done = CliRunner().invoke(build(), [*arguments, "--json", *pixels])
        assert done.exit_code == 0, done.output
        found[name] = json.loads(done.stdout)["float_figures"]
        stated = Model.load(model).card.details["accuracy"]["test"]["int8"]
        assert stated == round(evaluated(model, read_dataset(discs), "test").top1, 4)
    assert Model.load(tmp_path / "other.tflite").card.input.pixel_range == (0.0, 1.0)
    for split in SPLITS:
        assert found["other"][split] == pytest.approx(found["usual"][split], abs=0.02)


def test_another_size_than_the_network_takes(discs: Path, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(float_tflite(network()))
    with pytest.raises(ModelError, match="takes 40 x 40 only"):
        pack(tmp_path / "m.tflite", read_dataset(discs), tmp_path / "out.tflite", size=(32, 32))


def test_a_pixel_range_that_does_not_rise(discs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(build(), ["quantize", str(tmp_path), str(discs), "--pixel-range", "1", "1"])
    assert isinstance(done.exception, DataError)


def test_unreadable_pictures_are_told_and_counted(discs: Path, tmp_path: Path) -> None:
    shutil.copytree(discs, tmp_path / "data")
    for name in ("000.png", "100.png", "101.png", "102.png", "103.png"):
        (tmp_path / "data" / name).write_bytes(b"no picture")
    network().save(tmp_path / "m.keras")
    arguments = ["quantize", str(tmp_path / "m.keras"), str(tmp_path / "data"), "-o", str(tmp_path / "m.tflite")]
    done = CliRunner().invoke(build(), arguments)
    assert done.exit_code == 0, done.output
    assert "5 pictures were left out in all" in done.output
    details = Model.load(tmp_path / "m.tflite").card.details
    assert (details["unreadable"], details["accuracy"]["val"]["pictures"]) == (5, 28)


def test_a_split_of_one_class_is_named(discs: Path, tmp_path: Path) -> None:
    dataset = read_dataset(discs)
    kept = tuple(one for one in dataset.pictures if one.split != "val" or one.label == 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.raises(DataError, match=r"the split val of .* no readable picture with a person"):
            pack(network(), dataclasses.replace(dataset, pictures=kept), tmp_path / "m.tflite")


def test_a_file_that_is_no_card_is_not_overwritten(discs: Path, tmp_path: Path) -> None:
    (tmp_path / "note.json").write_text('{"mine": 1}')
    with pytest.raises(DataError, match="no model card and would be overwritten"):
        pack(network(), read_dataset(discs), tmp_path / "note.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]
    assert (tmp_path / "note.json").read_text() == '{"mine": 1}'


def test_half_a_line_at_the_end_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss,seconds\n1,0.7,10\n2,0.6,11\n3,0.")
    assert _last_row(tmp_path / "log.csv") == {"epoch": 2, "loss": 0.6, "seconds": 11}


def test_the_worst_mistakes_are_those_at_the_threshold_in_use() -> None:
    def answer(label: int, person: float) -> evaluate.Answer:
        return evaluate.Answer(LabelledPicture(Path(f"{label}{person}"), label, "test"), person, 0.0)

    answers = [answer(0, 0.6), answer(0, 0.78), answer(0, 0.9), answer(1, 0.65), answer(1, 0.1), answer(1, 0.8)]
    wrong = evaluate.worst_mistakes(answers, threshold=0.7)
    assert [one.person for one in wrong] == [0.1, 0.9, 0.78, 0.65]


def test_a_threshold_is_saved_for_a_rate_only(discs: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "person_96_gray", str(discs), "--save-threshold", "--html", str(tmp_path / "report.html")]
    done = CliRunner().invoke(build(), arguments)
    assert done.exit_code != 0
    assert not list(tmp_path.iterdir())


def test_brightness_is_not_rounded() -> None:
    assert evaluate.brightness_of(Image.fromarray(np.array([[0, 1]], np.uint8))) == 0.5


def test_files_of_keras_2_and_saved_models_are_read(tmp_path: Path) -> None:
    tf.keras.utils.set_random_seed(3)
    inputs = tf.keras.Input((8, 8, 1))
    x = tf.keras.layers.DepthwiseConv2D(3, activation="relu")(inputs)
    x = tf.keras.layers.Flatten()(x)
    model = tf.keras.Model(inputs, tf.keras.layers.Dense(2, activation="softmax")(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # .h5 is called old
        model.save(tmp_path / "keras2.h5")
    with h5py.File(tmp_path / "keras2.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        (depthwise,) = (x for x in config["config"]["layers"] if x["class_name"] == "DepthwiseConv2D")
        depthwise["config"]["groups"] = 1  # as Keras 2 wrote it; Keras 3 takes it for a mistake
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(TypeError, match="groups"):
        tf.keras.models.load_model(tmp_path / "keras2.h5", compile=False)
    model.export(tmp_path / "saved", verbose=False)
    pixels = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 1), np.uint8)
    expected = predict_tflite(float_tflite(model), pixels)
    for name in ("keras2.h5", "saved"):
        np.testing.assert_allclose(predict_tflite(float_tflite(tmp_path / name), pixels), expected, rtol=1e-6)
