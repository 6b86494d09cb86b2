"""Model cards: what is written is read again, and what is wrong is named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from vww_deploy.errors import DataError
from vww_deploy.pictures.card import InputSpec, ModelCard


def test_a_card_survives_its_file(tmp_path: Path) -> None:
    card = ModelCard(
        name="m",
        input=InputSpec(96, 80, 3, resize="crop", pixel_range=(-1.0, 1.0)),
        labels=("nobody", "somebody"),
        threshold=0.7,
        sha256="ab" * 32,
        description="a model",
        details={"accuracy": {"test": 0.84}},
    )
    card.save(tmp_path / "m.json")
    assert ModelCard.load(tmp_path / "m.json") == card


def test_a_card_that_says_nothing_invents_no_labels() -> None:
    card = ModelCard("m", InputSpec(96, 96, 1))
    assert card.labels == ()
    assert (card.threshold, card.input.resize, card.input.pixel_range) == (0.5, "squash", None)


GOOD = {
    "name": "m",
    "input": {"height": 9, "width": 9, "channels": 1},
    "labels": ["no person", "person"],
    "threshold": 0.5,
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"input": {"height": 9, "width": 9, "channels": 1, "resize": "stretch"}}, "stretch"),
        ({"input": {"height": 0, "width": 9, "channels": 1}}, "no pixels"),
        ({"input": {"height": 9}}, "width"),
        ({"threshold": "high"}, "high"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(DataError, match=expected):
        ModelCard.load(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", "null"])
def test_what_is_no_card_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(DataError, match="no model card"):
        ModelCard.load(path)


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        ModelCard.load(tmp_path / "nowhere.json")


def test_a_card_replaces_a_card_and_nothing_else(tmp_path: Path) -> None:
    path, card = tmp_path / "m.json", ModelCard("m", InputSpec(9, 9, 1))
    card.save(path)
    dataclasses.replace(card, threshold=0.7).save(path)
    assert ModelCard.load(path).threshold == 0.7
    path.write_text('{"mine": 1}')
    with pytest.raises(DataError, match="no model card and would be overwritten"):
        card.save(path)
    assert path.read_text() == '{"mine": 1}'


def test_a_full_disk_leaves_the_old_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, card = tmp_path / "m.json", ModelCard("m", InputSpec(9, 9, 1))
    card.save(path)

    def full(self: Path, content: str | bytes, **_: object) -> None:
        with self.open("w") as file:
            file.write("half of")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        dataclasses.replace(card, threshold=0.7).save(path)
    assert ModelCard.load(path) == card
    assert list(tmp_path.iterdir()) == [path]
