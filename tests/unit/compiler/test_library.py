"""The emitted library: the same bytes twice, clean under strict compilers, usable from C, as documented."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from vww_deploy.compiler import HostEngine, compile_model, layer_digest
from vww_deploy.errors import DataError, ModelError
from vww_deploy.graph import Reference

STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror")

MAIN = r"""
#include <stdio.h>
#include <string.h>
#include "vww_model.h"

static int rows_seen = 0;

static void hook(void *context, const vww_model_rows *rows) {
  (void)context;
  if (rows->layer == 0) rows_seen += rows->row_end - rows->row_begin;
}

int main(void) {
  int8_t picture[VWW_MODEL_INPUT_BYTES];
  if (fread(picture, 1, sizeof picture, stdin) != sizeof picture) return 1;
  memcpy(vww_model_input(), picture, sizeof picture);
  vww_model_invoke();
  for (int i = 0; i < VWW_MODEL_OUTPUT_BYTES; ++i) printf("%d ", vww_model_output()[i]);
  memcpy(vww_model_input(), picture, sizeof picture);
  vww_model_invoke_hooked(hook, 0);
  printf("%d %d %d %d %s %g %d", rows_seen, VWW_MODEL_HEIGHT, VWW_MODEL_WIDTH, VWW_MODEL_CHANNELS, VWW_MODEL_SHA256,
         (double)VWW_MODEL_INPUT_SCALE, VWW_MODEL_INPUT_ZERO_POINT);
  return VWW_MODEL_RAM_BYTES > 0 && VWW_MODEL_OUTPUT_SCALE > 0 && VWW_MODEL_OUTPUT_ZERO_POINT >= -128 ? 0 : 2;
}
"""


def test_same_bytes_twice(mobilenet: bytes) -> None:
    assert compile_model(mobilenet).files == compile_model(mobilenet).files


def test_usable_from_c(mobilenet: bytes, tmp_path: Path) -> None:
    """A C program against the header, the library by g++, as in the user's guide."""
    compiled = compile_model(mobilenet)
    folder = compiled.write(tmp_path / "library")
    (tmp_path / "main.c").write_text(MAIN)
    subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-c", f"-I{folder / 'src'}", "main.c", "-o", "main.o"],
        cwd=tmp_path,
        check=True,
    )
    sources = [str(path) for path in sorted((folder / "src").rglob("*.cpp"))]
    subprocess.run(
        ["g++", *STRICT, f"-I{folder / 'src'}", "main.o", *sources, "-o", "program"], cwd=tmp_path, check=True
    )
    picture = np.random.default_rng(1).integers(-128, 128, (24, 24, 1)).astype(np.int8)
    done = subprocess.run([tmp_path / "program"], input=picture.tobytes(), capture_output=True, check=True)
    words = done.stdout.decode().split()
    expected = Reference(compiled.graph).run(picture).ravel().tolist()
    assert [int(w) for w in words[: len(expected)]] == expected
    activation = compiled.source.input_activation
    rows = compiled.layers[0].activation.height
    rest = [str(rows), "24", "24", "1", compiled.source.sha256]
    assert words[len(expected) : -2] == rest
    assert float(words[-2]) == pytest.approx(activation.quantization.scale, rel=1e-5)
    assert int(words[-1]) == activation.quantization.zero_point


@pytest.mark.parametrize("compiler", ["clang++", "arm-none-eabi-g++"])
def test_other_compilers(mobilenet: bytes, tmp_path: Path, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    folder = compile_model(mobilenet).write(tmp_path)
    flags = ("-mcpu=cortex-m4", "-mthumb") if compiler.startswith("arm") else ()
    for source in sorted((folder / "src").rglob("*.cpp")):
        command = [compiler, *STRICT, *flags, "-c", f"-I{folder / 'src'}", str(source), "-o", str(tmp_path / "x.o")]
        subprocess.run(command, check=True)


def test_names_are_made_fit_for_c(mobilenet: bytes) -> None:
    header = compile_model(mobilenet, name='my "model"\n*/ é').files["src/vww_model.h"]
    assert '#define VWW_MODEL_NAME "my _model____ _"' in header


def test_unwritable_folder(mobilenet: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        compile_model(mobilenet).write(tmp_path / "file" / "below")


def test_wrong_picture(mobilenet: bytes) -> None:
    engine = HostEngine(compile_model(mobilenet))
    with pytest.raises(DataError, match=r"int8 \[24, 24, 1\]"):
        engine.run(np.zeros((23, 24, 1), np.int8))


def test_batches_and_two_engines(mobilenet: bytes) -> None:
    """Two engines of one model keep out of each other's arena."""
    compiled = compile_model(mobilenet)
    first, second = HostEngine(compiled), HostEngine(compiled)
    pictures = np.random.default_rng(2).integers(-128, 128, (4, 24, 24, 1)).astype(np.int8)
    outputs = first.run_batch(pictures)
    np.testing.assert_array_equal(second.run_batch(pictures[::-1]), outputs[::-1])
    np.testing.assert_array_equal(first.run(pictures[0]), outputs[0])


def test_digest_is_by_rows() -> None:
    """The documented definition, on a value that anyone can recompute."""
    output = np.arange(-6, 6, dtype=np.int8).reshape(2, 3, 2)
    assert layer_digest(output) == 0x4C57C708


def test_report(mobilenet: bytes) -> None:
    compiled = compile_model(mobilenet)
    report = compiled.report()
    assert report.ram_bytes == compiled.plan.arena_bytes
    assert f"#define VWW_MODEL_RAM_BYTES {report.ram_bytes}\n" in compiled.files["src/vww_model.h"]
    assert report.macs == compiled.source.macs
    assert len(report.layers) == len(compiled.layers)
    assert sum(saving.macs_saved for saving in report.passes) == report.macs - report.macs_left
    exact = report.fit(ram_bytes=report.ram_bytes + report.stack_bytes, flash_bytes=report.flash_bytes)
    assert exact.ok
    short = report.fit(ram_bytes=report.ram_bytes + report.stack_bytes - 1, flash_bytes=report.flash_bytes - 2)
    assert (short.ram_over, short.flash_over) == (1, 2)
