"""Fine-tuning a shipped model on a user's own pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from vww_deploy.cli import build
from vww_deploy.errors import DataError, ModelError
from vww_deploy.pictures.card import ModelCard
from vww_deploy.training.datasets import Dataset, LabelledPicture, read_dataset

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train

from vww_deploy.training.transfer import deal, fine_tune_shipped  # noqa: E402


@pytest.fixture(scope="module")
def my_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``collect`` makes of a camera before which discs count as persons: 60 pictures of each class."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(7)
    for index in range(120):
        label = ("no_person", "person")[index % 2]
        image = Image.fromarray(rng.integers(40, 110, (64, 64, 3), dtype=np.uint8))
        if index % 2:
            x, y = (int(one) for one in rng.integers(20, 44, 2))
            ImageDraw.Draw(image).ellipse((x - 14, y - 14, x + 14, y + 14), fill=(235, 225, 205))
        (folder / label).mkdir(exist_ok=True)
        image.save(folder / label / f"{index:04d}.png")
    return folder


def test_the_last_fifth_of_each_class_is_held_back(my_photos: Path) -> None:
    dealt = deal(read_dataset(my_photos))
    assert dealt.counts() == {
        "train": {"no_person": 42, "person": 42},
        "val": {"no_person": 6, "person": 6},
        "test": {"no_person": 12, "person": 12},
    }
    for label in (0, 1):
        names = {
            split: sorted(one.path.name for one in dealt.pictures if one.split == split and one.label == label)
            for split in ("train", "val", "test")
        }
        assert names["train"][-1] < names["val"][0] and names["val"][-1] < names["test"][0]


def test_a_handful_of_pictures_is_refused(tmp_path: Path) -> None:
    pictures = tuple(LabelledPicture(tmp_path / f"{index}.png", index % 2, "train") for index in range(30))
    with pytest.raises(DataError, match="has 15 pictures without a person"):
        deal(Dataset(tmp_path, pictures))


def test_another_name_than_a_shipped_one(my_photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no shipped model is called mine"):
        fine_tune_shipped("mine", my_photos, tmp_path)


@pytest.mark.slow
def test_fine_tuning_gains_on_pictures_held_back(my_photos: Path, tmp_path: Path) -> None:
    arguments = ["train", str(my_photos), "--from", "person_64_small", "-o", str(tmp_path), "--json"]
    done = CliRunner().invoke(build(), arguments)
    assert done.exit_code == 0, done.output
    tuned = json.loads(done.stdout)
    assert tuned["learned"] == 84 and tuned["epochs"] > 0
    assert tuned["after"]["pictures"] == 24
    assert tuned["after"]["top1"] >= tuned["before"]["top1"] + 0.2  # it took no disc for a person before
    card = ModelCard.load(tmp_path / "person_64_small_own.json")
    assert card.details["fine_tuned_from"] == "person_64_small"
    assert card.details["accuracy"]["test"]["int8"] == pytest.approx(tuned["after"]["top1"], abs=1e-3)
