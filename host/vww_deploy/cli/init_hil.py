"""``vww-deploy init-hil``: a folder of hardware-in-the-loop tests that test something from the first run on."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vww_deploy.cli import common
from vww_deploy.errors import DataError
from vww_deploy.files import write_whole

if TYPE_CHECKING:
    from vww_deploy.graph.model import Model

_MARGIN: Final = 1.1  # of the budgets over the compiler's figures

TEST_FILE: Final = '''"""Tests of @MODEL@ on a board: pytest tests_hil --vww-board virtual, or the name of yours.

The budgets are what the compiler said of the model, and a tenth: lower them as your project needs it.
"""

from pathlib import Path

import pytest
from PIL import Image
from vww_deploy.hil import assert_accuracy, assert_bit_exact, assert_latency, assert_ram

PICTURES = Path(__file__).parent / "pictures"  # person/*.jpg and no_person/*.jpg
MODEL_SHA256 = "@SHA256@"
AT_LEAST = @AT_LEAST@  # the part of the pictures that the model tells right; hundreds say more than these
MAX_RAM_BYTES = @RAM@  # tensors and stack
MAX_INSTRUCTIONS = @INSTRUCTIONS@  # of an inference on the virtual board
MAX_US = @MICROSECONDS@  # of an inference on a real board; this is an estimate for @BOARD@


@pytest.fixture(scope="module")
def samples(vww_model):
    paths = sorted(path for path in PICTURES.glob("*person/*") if path.is_file())
    if not paths:
        pytest.fail(f"put pictures into {PICTURES}/person and {PICTURES}/no_person", pytrace=False)
    return [(path.name, vww_model.to_input(Image.open(path)), path.parent.name == "person") for path in paths]


def test_the_board_runs_the_model_of_these_budgets(vww_device, vww_model):
    if vww_device.info.model_sha256 != MODEL_SHA256:
        pytest.fail(
            f"the board runs {vww_model.name}, and these budgets are of another model, @MODEL@: "
            "name that one with --vww-model, or have new budgets written by vww-deploy init-hil",
            pytrace=False,
        )


def test_results_are_the_references(vww_device, vww_board, samples):
    assert_bit_exact(vww_device, vww_board, {name: picture for name, picture, _ in samples})


@ACCURACY@def test_latency(vww_device, samples):
    for _, picture, _ in samples[:5]:
        vww_device.infer(picture)
    if vww_device.info.clock == "instructions":
        assert_latency(vww_device, max_instructions=MAX_INSTRUCTIONS)
    else:
        assert_latency(vww_device, max_us=MAX_US)


def test_ram(vww_board):
    assert_ram(vww_board, max_bytes=MAX_RAM_BYTES)
'''

ACCURACY_TEST: Final = """def test_pictures_are_told_right(vww_device, vww_board, samples):
    assert_accuracy(vww_device, vww_board, samples, at_least=AT_LEAST)


"""

CI_FILE: Final = """# The tests on the virtual board: no hardware needed.
name: board tests
on: [push, pull_request]
jobs:
  virtual-board:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.11"}
      - run: >-
          sudo apt-get update && sudo apt-get install --yes
          gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib qemu-system-arm
      # vww-deploy is in no package index yet. Its wheel is in this repository, made in a checkout of vww-deploy with:
      # pip wheel --no-deps --wheel-dir THIS_REPOSITORY/wheels .
      - run: pip install wheels/vww_deploy-*.whl pytest
      - run: |
          pytest tests_hil@OPTION@ --vww-board virtual --vww-report report.html --junitxml results.xml
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: board-tests
          path: |
            report.html
            results.xml
          if-no-files-found: error
"""


def command(
    folder: Annotated[Path, typer.Argument(help="A project's folder.", file_okay=False, metavar="DIR")] = Path(),
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="The model to test; default: the shipped one.", metavar="MODEL"),
    ] = None,
    labels: common.LabelsOption = None,
    person_label: common.PersonLabelOption = None,
) -> None:
    """Write tests of a model on a board, with sample pictures, and a CI job that runs them on the virtual one.

    The budgets are what the compiler says of the model. Files that exist already are left alone.

    Example: vww-deploy init-hil . && pytest tests_hil --vww-board virtual
    """
    from vww_deploy.errors import ToolMissing
    from vww_deploy.graph.model import Model
    from vww_deploy.pictures.samples import write_samples
    from vww_deploy.resources import data_root

    tests = folder / "tests_hil"
    loaded = Model.load(model, labels=labels, person_label=person_label)
    if loaded.outputs.doubt:
        common.notice(f"no test of the accuracy: {loaded.outputs.doubt}")
    pictures = tests / "pictures"
    for kind in ("person", "no_person"):
        with _writing(pictures / kind):
            (pictures / kind).mkdir(parents=True, exist_ok=True)
    if not any(path.is_file() for path in pictures.rglob("*")):
        try:
            common.out.print(
                f"wrote {len(write_samples(pictures))} sample pictures into {pictures}", markup=False, soft_wrap=True
            )
        except ToolMissing as error:
            common.notice(f"no sample pictures: {error.message} ({error.hint}); put your own into {pictures}")
    named = {"--vww-model": model, "--vww-labels": labels, "--vww-person-label": person_label}
    option = "".join(f" {name} {shlex.quote(str(value))}" for name, value in named.items() if value is not None)
    values = _values(loaded, pictures, option)
    for name, text in (("tests_hil/test_board.py", TEST_FILE), (".github/workflows/board-tests.yml", CI_FILE)):
        path = folder / name
        if path.exists():
            common.notice(f"{path} exists already and is left alone")
            continue
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())
        common.out.print(f"wrote {path}", markup=False, soft_wrap=True)
    common.out.print(f"Next: pytest {tests}{values['OPTION']} --vww-board virtual", markup=False, soft_wrap=True)
    wheels, checkout = folder / "wheels", data_root()
    if (checkout / "pyproject.toml").is_file():
        wheel = f"pip wheel --no-deps --wheel-dir {shlex.quote(str(wheels))} {shlex.quote(str(checkout))}"
    else:
        wheel = f"put the wheel that you installed vww-deploy from into {wheels}/"
    common.out.print(f"For the CI job: {wheel}", markup=False, soft_wrap=True)


def _values(model: Model, pictures: Path, option: str) -> dict[str, str]:
    """What the files say of the model: the compiler's figures and a margin, and how well it tells the pictures."""
    from vww_deploy.compiler import compile_model
    from vww_deploy.session.latency import ESTIMATE_BOARD, estimate

    report = compile_model(model.graph).report()
    instructions = _budget(report.instructions)
    made = estimate(instructions, ESTIMATE_BOARD)
    assert made is not None
    return {
        "ACCURACY": "" if model.outputs.doubt else ACCURACY_TEST,
        "MODEL": re.sub(r"[^\w.-]", "_", model.name),
        "OPTION": option,
        "SHA256": model.sha256,
        "AT_LEAST": f"{_told_right(model, pictures):.2f}",
        "RAM": f"{_budget(report.ram_bytes + report.stack_bytes):_}",
        "INSTRUCTIONS": f"{instructions:_}",
        "MICROSECONDS": f"{_to_three_digits(made.latency_us):_}",
        "BOARD": ESTIMATE_BOARD,
    }


def _budget(figure: int) -> int:
    return _to_three_digits(round(_MARGIN * figure))


def _to_three_digits(figure: int) -> int:
    """A budget is no measurement."""
    return round(figure, min(0, 3 - len(str(figure))))


def _told_right(model: Model, pictures: Path) -> float:
    """The part of the pictures that the reference tells right, rounded down; 0.5 without any."""
    from vww_deploy.pictures.gather import gather, labelled_as
    from vww_deploy.pictures.preprocess import open_picture, read_picture_file

    if not any(path.is_file() for path in pictures.rglob("*")):
        return 0.5
    right = []
    for picture in labelled_as(gather([str(pictures)]), model.outputs):
        path = Path(picture.path)
        values = model.to_input(open_picture(read_picture_file(path), picture.path))
        p_person = model.outputs.p_person(model.reference.run(values))
        right.append((p_person >= model.card.threshold) == bool(picture.truth))
    return int(100 * sum(right) / len(right)) / 100


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error
