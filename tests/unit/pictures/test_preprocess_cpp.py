"""The firmware's preprocessing, built for the host, gives the host's bytes."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vww_deploy.graph.ir import Quantization
from vww_deploy.pictures import camera_format, preprocess
from vww_deploy.pictures.camera_format import CameraFormat, PixelFormat
from vww_deploy.pictures.card import InputSpec
from vww_deploy.resources import firmware_dir

# A C interface for ctypes; `cuts` says in which pieces the picture is pushed.
SHIM = r"""
#include <vector>
#include "vww_preprocess.h"
extern "C" int run(int w, int h, int pixels, int mw, int mh, int channels, int crop, const int8_t* table,
                   const uint8_t* data, const uint32_t* cuts, int pieces, int8_t* out) {
  std::vector<uint32_t> work(vww::Preprocess::work_words(mw, channels) + 1, 0xABABABABu);
  vww::Preprocess p;
  const vww::CameraFormat picture{uint16_t(w), uint16_t(h), vww::PixelFormat(pixels)};
  const vww::InputFormat model{uint16_t(mw), uint16_t(mh), uint8_t(channels), crop != 0, table};
  const auto error = p.begin(picture, model, out, work.data());
  if (error != vww::PreprocessError::kNone) return int(error);
  for (int i = 0; i < pieces; i++) {
    if (p.done()) return 100;
    std::vector<uint8_t> piece(data, data + cuts[i]);  // its own block of memory: reading past it is caught by ASan
    p.push(piece.data(), piece.size());
    data += cuts[i];
  }
  if (!p.done()) return 101;
  const uint8_t after = 77;
  p.push(&after, 1);
  return work.back() == 0xABABABABu ? 0 : 102;
}
"""

Run = Callable[..., int]


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("preprocess")
    library = firmware_dir() / "lib" / "vww_preprocess"
    (folder / "shim.cpp").write_text(SHIM)
    target = folder / "libpreprocess.so"
    command = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined"]
    command += ["-fno-sanitize-recover=all", "-shared", "-fPIC", f"-I{library}", "-o", str(target)]
    subprocess.run([*command, str(folder / "shim.cpp"), str(library / "vww_preprocess.cpp")], check=True)
    loaded: Run = ctypes.CDLL(str(target)).run
    return loaded


def on_device(
    run: Run,
    data: bytes,
    taken_as: CameraFormat,
    spec: InputSpec,
    table: npt.NDArray[np.int8],
    cuts: list[int] | None = None,
) -> npt.NDArray[np.int8]:
    pieces = np.array(cuts if cuts is not None else [len(data)], dtype=np.uint32)
    assert int(pieces.sum()) == len(data)
    size = spec.height * spec.width * spec.channels
    out = np.full(size + 8, 99, dtype=np.int8)
    status = run(
        *(taken_as.width, taken_as.height, int(taken_as.pixels)),
        *(spec.width, spec.height, spec.channels, int(spec.resize == "crop"), table.ctypes.data_as(ctypes.c_void_p)),
        *(ctypes.c_char_p(data), pieces.ctypes.data_as(ctypes.c_void_p), len(pieces)),
        out.ctypes.data_as(ctypes.c_void_p),
    )
    assert status == 0
    assert (out[size:] == 99).all()
    return out[:size].reshape(spec.height, spec.width, spec.channels)


def on_host(data: bytes, taken_as: CameraFormat, spec: InputSpec, table: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    return table[camera_format.picture_to_pixels(data, taken_as, spec)]


def any_table(seed: int) -> npt.NDArray[np.int8]:
    return np.random.default_rng(seed).permutation(256).astype(np.uint8).view(np.int8)


@settings(max_examples=400, deadline=None)
@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    pixels=st.sampled_from(list(PixelFormat)),
    model_width=st.integers(1, 50),
    model_height=st.integers(1, 50),
    channels=st.sampled_from([1, 3]),
    crop=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    pieces=st.integers(1, 12),
)
def test_equal_over_random_pictures_sizes_and_pieces(
    run: Run,
    width: int,
    height: int,
    pixels: PixelFormat,
    model_width: int,
    model_height: int,
    channels: int,
    crop: bool,
    seed: int,
    pieces: int,
) -> None:
    rng = np.random.default_rng(seed)
    taken_as = CameraFormat(width, height, pixels)
    data = rng.integers(0, 256, taken_as.bytes, dtype=np.uint8).tobytes()
    spec = InputSpec(model_height, model_width, channels, resize="crop" if crop else "squash")
    edges = np.sort(rng.integers(0, taken_as.bytes, pieces - 1))
    cuts = np.diff(np.concatenate([[0], edges, [taken_as.bytes]])).tolist()
    table = any_table(seed)
    assert np.array_equal(on_device(run, data, taken_as, spec, table, cuts), on_host(data, taken_as, spec, table))


@pytest.mark.parametrize("size", list(camera_format.SIZES))
@pytest.mark.parametrize("pixels", list(PixelFormat))
@pytest.mark.parametrize("resize", ["squash", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
def test_equal_at_the_cameras_sizes(run: Run, size: str, pixels: PixelFormat, resize: str, channels: int) -> None:
    taken_as = CameraFormat(*camera_format.SIZES[size], pixels)
    spec = InputSpec(96, 96, channels, resize=resize)
    table = preprocess.quantisation_table(spec, Quantization(1 / 255, -128))
    for data in (
        np.random.default_rng(9).integers(0, 256, taken_as.bytes, dtype=np.uint8).tobytes(),
        bytes(taken_as.bytes),
        b"\xff" * taken_as.bytes,
    ):
        chunks = [512] * (taken_as.bytes // 512) + ([taken_as.bytes % 512] if taken_as.bytes % 512 else [])
        assert np.array_equal(on_device(run, data, taken_as, spec, table, chunks), on_host(data, taken_as, spec, table))


def test_equal_at_the_largest_picture(run: Run) -> None:
    """Sums reach 255 * 2^24: one bit more and they would not fit."""
    taken_as = CameraFormat(4097, 4095)
    spec = InputSpec(3, 2, 1)
    data = b"\xff" * taken_as.bytes
    table = preprocess.quantisation_table(spec, Quantization(1.0, -128))
    assert (on_device(run, data, taken_as, spec, table) == 127).all()


@pytest.mark.parametrize(
    ("taken_as", "model", "error"),
    [
        ((0, 4, 1), (4, 4, 1), 1),
        ((4, 0, 1), (4, 4, 1), 1),
        ((4, 4, 0), (4, 4, 1), 1),
        ((4, 4, 5), (4, 4, 1), 1),
        ((4096, 4096, 1), (4, 4, 1), 1),
        ((65535, 65535, 1), (4, 4, 1), 1),
        ((4, 4, 1), (0, 4, 1), 2),
        ((4, 4, 1), (4, 0, 1), 2),
        ((4, 4, 1), (4, 4, 2), 2),
    ],
)
def test_impossible_sizes_are_refused(
    run: Run, taken_as: tuple[int, int, int], model: tuple[int, int, int], error: int
) -> None:
    table = np.zeros(256, dtype=np.int8)
    out = np.zeros(64, dtype=np.int8)
    pieces = np.zeros(1, dtype=np.uint32)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (table, pieces, out)]
    assert run(*taken_as, *model, 0, pointers[0], b"", pointers[1], 0, pointers[2]) == error
