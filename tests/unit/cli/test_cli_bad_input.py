"""What users get wrong: each is one clear message, a hint where there is one, exit code 1, and no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.random_models import random_model
from tests.support.tflite_writer import ModelWriter
from vww_deploy.files import JSON_SCHEMA

Cli = Callable[..., Any]


def float_model() -> bytes:
    writer = ModelWriter()
    given = writer.tensor([1, 4, 4, 1], dtype="FLOAT32", name="picture")
    weights = writer.tensor([2, 1, 1, 1], dtype="FLOAT32", data=np.ones((2, 1, 1, 1)), name="weights")
    bias = writer.tensor([2], dtype="FLOAT32", data=np.zeros(2), name="bias")
    result = writer.tensor([1, 4, 4, 2], dtype="FLOAT32", name="answer")
    writer.op("CONV_2D", [given, weights, bias], [result])
    return writer.write([given], [result])


def unsupported_model() -> bytes:
    writer = ModelWriter()
    given = writer.tensor([1, 4, 4, 1], scale=0.1, name="picture")
    result = writer.tensor([1, 4, 4, 1], scale=0.1, name="bent")
    writer.op("COS", [given], [result])
    return writer.write([given], [result])


@pytest.mark.parametrize("command", ["inspect", "compile", "flash", "verify"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"\x20\x00\x00\x00TFL3" + b"\x05" * 60, "a damaged .tflite file, perhaps cut off after its 68 bytes"),
        (random_model(1)[:700], "a damaged .tflite file, perhaps cut off after its 700 bytes"),
        (np.random.default_rng(0).bytes(5000), "not a .tflite file"),
        (float_model(), "float model"),
        (unsupported_model(), "COS 'bent'"),
    ],
    ids=["empty", "nonsense", "truncated", "random", "float", "unsupported"],
)
def test_a_bad_model_is_named(cli: Cli, tmp_path: Path, command: str, content: bytes, expected: str) -> None:
    path = tmp_path / "mine.tflite"
    path.write_bytes(content)
    ran = cli(command, path)
    assert ran.code == 1
    assert ran.err.startswith("error: ")
    assert "mine" in ran.err
    assert expected in ran.err
    if command == "inspect" and expected == "float model":
        assert "as the int8 model that it would be" in ran.out
    else:
        assert ran.out == ""
    assert not (tmp_path / "cache").exists() or not any((tmp_path / "cache").rglob("*.elf"))


GOOD_CARD = json.dumps(
    {
        "name": "m",
        "input": {"height": 999, "width": 9, "channels": 1},
        "labels": ["no person", "person"],
        "threshold": 0.5,
    }
)


@pytest.mark.parametrize("command", ["inspect", "compile", "flash", "verify"])
def test_a_missing_model_is_named(cli: Cli, tmp_path: Path, command: str) -> None:
    ran = cli(command, tmp_path / "none.tflite")
    assert ran.code == 1
    assert "there is no model" in ran.err


@pytest.mark.parametrize(
    "card",
    [
        *("{", "[]", '{"name": "m"}', "[" * 200_000),
        *(GOOD_CARD.replace("0.5", threshold) for threshold in ("1" + "0" * 400, "NaN", "1e999")),
    ],
)
def test_a_bad_card_is_named(cli: Cli, tmp_path: Path, card: str) -> None:
    (tmp_path / "m.tflite").write_bytes(random_model(1))
    (tmp_path / "m.json").write_text(card)
    ran = cli("inspect", tmp_path / "m.tflite")
    assert ran.code == 1
    assert "m.json is no model card" in ran.err


def test_a_card_of_another_size_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(random_model(1))
    (tmp_path / "m.json").write_text(GOOD_CARD)
    ran = cli("inspect", tmp_path / "m.tflite")
    assert ran.code == 1
    assert "999" in ran.err


def test_a_good_model_is_inspected_and_compiled(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(random_model(1))
    ran = cli("inspect", path, "--json")
    assert ran.code == 0, ran.err
    values = json.loads(ran.out)
    assert values["report"]["ram_bytes"] > 0
    assert values["boards"]["virtual"]["fits"] is True
    assert cli("inspect", path, "--board", "virtual").code == 0
    assert cli("compile", path, "-o", tmp_path / "library").code == 0
    header = (tmp_path / "library" / "src" / "vww_model.h").read_text()
    assert "VWW_MODEL_RAM_BYTES" in header


def test_a_folder_that_cannot_be_written_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(random_model(1))
    (tmp_path / "file").touch()
    ran = cli("compile", tmp_path / "m.tflite", "-o", tmp_path / "file" / "library")
    assert ran.code == 1
    assert "cannot be written" in ran.err


def test_an_unknown_board_is_said_with_those_that_there_are(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(random_model(1))
    for arguments in (("flash", "--board", "toaster"), ("inspect", "--board", "toaster")):
        ran = cli(arguments[0], tmp_path / "m.tflite", *arguments[1:])
        assert ran.code == 1
        assert "toaster" in ran.err
        assert "nano33ble" in ran.err


@pytest.mark.parametrize("store", ["/dev/full", "/proc/vww/runs.sqlite"])
def test_a_run_that_cannot_be_stored_does_not_begin(cli: Cli, tmp_path: Path, store: str) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"never read")
    ran = cli("run", picture, "--store", store)
    assert ran.code == 1
    assert store in ran.err
    assert "try:" in ran.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "pictures or --resume"),
        (("--resume",), "holds no run"),
        (("a.png", "--resume"), "pictures or --resume"),
        (("a.png", "--run", "3"), "which run --resume continues"),
        (("--resume", "--run", "3"), "no run 3"),
        (("nowhere/",), "there is no nowhere"),
        (("*.nothing",), "nothing matches"),
    ],
)
def test_run_without_usable_pictures(cli: Cli, arguments: tuple[str, ...], expected: str) -> None:
    ran = cli("run", *arguments)
    assert ran.code == 1
    assert expected in ran.err


def test_a_bad_labels_file_is_named_with_its_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"never read")
    (tmp_path / "labels.csv").write_text("file,label\na.png,maybe\n")
    ran = cli("run", tmp_path / "a.png", "--labels", tmp_path / "labels.csv")
    assert ran.code == 1
    assert "line 2" in ran.err


@pytest.mark.parametrize("arguments", [("boards",), ("camera",), ("flash",), ("stop",), ("doctor",)])
def test_a_file_in_the_place_of_the_cache_is_said(
    cli: Cli, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VWW_DEPLOY_CACHE", str(tmp_path / "file"))
    ran = cli(*arguments)
    assert ran.code == 1
    assert "VWW_DEPLOY_CACHE" in ran.err + ran.out


def test_an_error_is_an_object_where_json_was_asked_for(cli: Cli, tmp_path: Path) -> None:
    ran = cli("inspect", tmp_path / "none.tflite", "--json")
    printed = json.loads(ran.out)
    assert printed["schema"] == JSON_SCHEMA
    error = printed["error"]
    assert (error["kind"], error["exit_code"], ran.code) == ("ModelError", 1, 1)
    assert "there is no model" in error["message"] and error["hint"]


@pytest.mark.parametrize("command", [("run", "."), ("verify",), ("bench",), ("evaluate", "person_96_gray", ".")])
def test_boards_of_a_fleet_without_a_fleet_are_refused(cli: Cli, command: tuple[str, ...]) -> None:
    ran = cli(*command, "--boards", "nano33ble=2")
    assert ran.code == 1
    assert "--boards means nothing without --cluster" in ran.err
