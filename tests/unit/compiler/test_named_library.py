"""What ``compile`` writes: several models in one program, the card as constants, an example that compiles."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from vww_deploy.compiler import compile_model
from vww_deploy.compiler.library import card_header, check_name, write_library
from vww_deploy.errors import DataError
from vww_deploy.graph.model import Model
from vww_deploy.pictures.outputs import OutputSpec
from vww_deploy.resources import firmware_dir

from ...support.random_models import small_mobilenet

STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror")
CORTEX_M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
CORE = firmware_dir() / "boards" / "virtual" / "core"

MAIN = r"""
#include <stdio.h>
#include <string.h>
#include "Door_card.h"
#include "gate_card.h"

static int8_t picture[DOOR_INPUT_BYTES > GATE_INPUT_BYTES ? DOOR_INPUT_BYTES : GATE_INPUT_BYTES];

int main() {
  for (int32_t i = 0; i < DOOR_INPUT_BYTES; ++i) picture[i] = Door_pixels[i % 256];
  memcpy(Door_input(), picture, DOOR_INPUT_BYTES);
  for (int32_t i = 0; i < GATE_INPUT_BYTES; ++i) gate_input()[i] = gate_pixels[(7 * i) % 256];
  Door_invoke();
  gate_invoke();
  for (int i = 0; i < DOOR_OUTPUT_BYTES; ++i) printf("%d ", Door_output()[i]);
  for (int i = 0; i < GATE_OUTPUT_BYTES; ++i) printf("%d ", gate_output()[i]);
  printf("%.6f %.6f|%s", Door_probability(Door_output()), gate_probability(gate_output()), Door_labels[DOOR_PERSON]);
  return DOOR_THRESHOLD == 0.5f ? 0 : 1;
}
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Model]]:
    """The libraries of two models beside each other, and the models by their names."""
    folder = tmp_path_factory.mktemp("libraries")
    models = {}
    for name, channels in (("Door", 1), ("gate", 3)):
        (folder / f"{name}.tflite").write_bytes(small_mobilenet(channels=channels))
        models[name] = Model.load(folder / f"{name}.tflite")
        write_library(models[name], compile_model(models[name].graph), folder / name, name)
    return folder, models


def linked(folder: Path, compiler: str, flags: tuple[str, ...], program: Path) -> Path:
    """The sources of both libraries and ``MAIN`` as one program."""
    (folder / "main.cpp").write_text(MAIN)
    sources = [folder / "main.cpp", *(path for name in ("Door", "gate") for path in (folder / name).rglob("*.cpp"))]
    includes = [f"-I{folder / name / 'src'}" for name in ("Door", "gate")]
    subprocess.run([compiler, *STRICT, "-O1", *flags, *includes, *map(str, sources), "-o", str(program)], check=True)
    return program


def test_a_library_names_no_address_where_the_project_is_not(libraries: tuple[Path, dict[str, Model]]) -> None:
    assert "url=\n" in (libraries[0] / "Door" / "library.properties").read_text()


def test_two_models_are_one_program(libraries: tuple[Path, dict[str, Model]], tmp_path: Path) -> None:
    folder, models = libraries
    program = linked(folder, "g++", (), tmp_path / "program")
    said, _, label = subprocess.run([program], capture_output=True, text=True, check=True).stdout.partition("|")
    words = said.split()
    door = np.resize(np.arange(-128, 128), (24, 24, 1)).astype(np.int8)
    gate = (((7 * np.arange(24 * 24 * 3)) % 256) - 128).reshape(24, 24, 3).astype(np.int8)
    outputs = [
        models[name].reference.run(picture).ravel().tolist() for name, picture in (("Door", door), ("gate", gate))
    ]
    assert [int(word) for word in words[:-2]] == [*outputs[0], *outputs[1]]
    for word, model, output in zip(words[-2:], models.values(), outputs, strict=True):
        assert float(word) == pytest.approx(model.outputs.p_person(output), abs=1e-5)
    assert label == models["Door"].outputs.pair[1]


def test_two_models_link_for_a_microcontroller(libraries: tuple[Path, dict[str, Model]], tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("needs the ARM compiler")
    flags = (*CORTEX_M4, "--specs=nosys.specs", "-Wl,--no-warn-rwx-segments,--no-warnings")
    program = linked(libraries[0], "arm-none-eabi-g++", flags, tmp_path / "program.elf")
    symbols = subprocess.run(["arm-none-eabi-nm", program], capture_output=True, text=True, check=True).stdout
    assert " Door_invoke\n" in symbols and " gate_invoke\n" in symbols


@pytest.mark.parametrize("name", ["Door", "gate"])
def test_the_example_is_a_sketch(libraries: tuple[Path, dict[str, Model]], tmp_path: Path, name: str) -> None:
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("needs the ARM compiler")
    folder = libraries[0] / name
    (ino,) = folder.rglob("*.ino")
    assert ino.parent.name == ino.stem, "as the Arduino IDE wants it"
    (tmp_path / "sketch.cpp").write_text(f'#include <Arduino.h>\n#include "{ino}"\n')
    flags = (*STRICT, *CORTEX_M4, "-fsyntax-only", f"-I{CORE}", f"-I{folder / 'src'}")
    subprocess.run(["arm-none-eabi-g++", *flags, str(tmp_path / "sketch.cpp")], check=True)
    assert "MIT License" in (folder / "LICENSE").read_text()


SPECS = {
    "two": OutputSpec(scale=1 / 256, zero_point=-128),
    "logits": OutputSpec(("a", "b", "person"), 2, channels=3, scale=0.1, zero_point=3, probabilities=False),
    "sigmoid": OutputSpec(channels=1, scale=1 / 256, zero_point=-128),
    "other": OutputSpec(("person", 'not "one"\\?'), 0, channels=1, scale=0.05, probabilities=False),
    "map": OutputSpec(channels=2, rows=2, columns=3, scale=1 / 256, zero_point=-128),
    "unknown": OutputSpec(("class 0", "class 1"), None, scale=1 / 128, zero_point=0),
}


def test_the_probability_is_the_hosts(tmp_path: Path) -> None:
    """For every kind of outputs, in C; labels with any character in them."""
    model = Model.load("person_64_small")
    random = np.random.default_rng(3)
    lines, expected = [], []
    for name, spec in SPECS.items():
        header = card_header(dataclasses.replace(model, outputs=spec), name)
        (tmp_path / f"{name}_card.h").write_text(header)
        scale, macro = float(np.float32(spec.scale)), name.upper()
        (tmp_path / f"{name}.h").write_text(
            f"#define {macro}_OUTPUT_SCALE {scale:.9e}f\n#define {macro}_OUTPUT_ZERO_POINT ({spec.zero_point})\n"
        )
        for values in random.integers(-128, 128, (20, spec.rows * spec.columns * spec.channels)).tolist():
            lines.append(
                f'{{ const int8_t v[] = {{{", ".join(map(str, values))}}}; printf("%.6f\\n", {name}_probability(v)); }}'
            )
            expected.append(spec.p_person(values))
        lines += [f"puts({name}_labels[{i}]);" for i in range(len(spec.labels))]
    includes = "".join(f'#include "{name}_card.h"\n' for name in SPECS)
    (tmp_path / "main.c").write_text(
        "#include <stdio.h>\n" + includes + "int main(void) {\n" + "\n".join(lines) + "\nreturn 0; }\n"
    )
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "main.c", "-lm", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.splitlines()
    labels = [label for spec in SPECS.values() for label in spec.labels]
    figures = [line for line in said if line[0].isdigit()]
    assert [line for line in said if not line[0].isdigit()] == labels
    assert [float(figure) for figure in figures] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a b", "../x", "é", "string", "Arduino", "a" * 41])
def test_a_name_that_c_cannot_have_is_refused(name: str) -> None:
    with pytest.raises(DataError):
        check_name(name)
