"""A set of pictures that can be learned in seconds: bright discs are persons."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


SHORT_NETWORK = """
from vww_deploy.graph import architecture
from vww_deploy.training import finetune, narrow, student, weights
for module in (architecture, finetune, narrow, weights):
    module.BLOCKS = ((64, 1), (128, 2), (256, 2), (512, 2), (1024, 2))
student.FEATURE_LAYERS = ("pw3_relu", "pw4_relu", "pw5_relu")
"""


@pytest.fixture(scope="module")
def short_network() -> Iterator[None]:
    """MobileNet of 5 blocks instead of 13: TensorFlow builds its graphs in a third of the time."""
    from vww_deploy.graph import architecture, costs
    from vww_deploy.training import finetune, narrow, student, weights

    before = costs.BLOCKS, student.FEATURE_LAYERS
    exec(SHORT_NETWORK, {})
    yield
    for module in (architecture, finetune, narrow, weights):
        module.BLOCKS = before[0]  # type: ignore[attr-defined]
    student.FEATURE_LAYERS = before[1]  # type: ignore[misc]


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 pictures of 40 x 40 in train, 32 each in val and test."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(5)
    rows = []
    for index in range(160):
        label, split = index % 2, "train" if index < 96 else "val" if index < 128 else "test"
        image = Image.fromarray(rng.integers(0, 90, (40, 40, 3), dtype=np.uint8))
        if label:
            x, y, radius = (int(one) for one in rng.integers(12, 28, 3))
            radius = 6 + radius // 4
            ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(230, 220, 200))
        name = f"{index:03d}.png"
        image.save(folder / name)
        rows.append([name, label, split, "ab"[index % 3 == 0], 0.1 * label])
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "label", "split", "source", "person_area_fraction"])
        table.writerows(rows)
    return folder
