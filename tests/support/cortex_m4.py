"""Runs emitted libraries on an emulated Cortex-M4 (QEMU, no board support): every layer's digest and the output."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import numpy as np

from vww_deploy.compiler import Compiled
from vww_deploy.compiler.profile.engine import FLAGS, HARNESS
from vww_deploy.compiler.targets.cortex_m4 import TARGET

AVAILABLE = shutil.which("arm-none-eabi-g++") is not None and shutil.which("qemu-system-arm") is not None

MAIN = r"""
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "picture.h"
#include "vww_model.h"

extern "C" void harness_write(const void* data, size_t size);

static uint32_t g_digests[VWW_MODEL_LAYERS];

static uint32_t crc(uint32_t state, uint8_t byte) {
  state ^= byte;
  for (int i = 0; i < 8; ++i) state = state >> 1 ^ (state & 1 ? 0xEDB88320u : 0);
  return state;
}

static void hook(void*, const vww_model_rows* rows) {
  for (int y = rows->row_begin; y < rows->row_end; ++y) {
    uint32_t state = 0xFFFFFFFFu;
    for (int i = 0; i < 4; ++i) state = crc(state, static_cast<uint8_t>(static_cast<uint32_t>(y) >> 8 * i));
    const int8_t* row = rows->data + y % rows->rows * rows->row_stride;
    for (int x = 0; x < rows->width; ++x)
      for (int c = 0; c < rows->channels; ++c)
        state = crc(state, static_cast<uint8_t>(row[c * rows->channel_stride + x]));
    g_digests[rows->layer] += ~state;
  }
}

int main() {
  memcpy(vww_model_input(), kPicture, sizeof kPicture);
  vww_model_invoke_hooked(hook, nullptr);
  harness_write(g_digests, sizeof g_digests);
  harness_write(vww_model_output(), VWW_MODEL_OUTPUT_BYTES);
  return 0;
}
"""


def run_on_cortex_m4(compiled: Compiled, picture: np.ndarray, folder: Path) -> tuple[list[int], np.ndarray]:
    """(every layer's digest, the int8 output) for one picture; ``folder`` keeps the kernels' objects between calls."""
    library = compiled.write(folder / "model") / "src"
    (folder / "main.cpp").write_text(MAIN)
    numbers = ",".join(str(v) for v in picture.reshape(-1).tolist())
    (folder / "picture.h").write_text(f"static const int8_t kPicture[] = {{{numbers}}};\n")
    kernels = {name: text for name, text in sorted(compiled.files.items()) if "vww_nn/" in name}
    headers = "".join(text for name, text in kernels.items() if name.endswith(".h"))
    objects = []
    for name, text in kernels.items():
        if name.endswith(".cpp"):
            key = hashlib.sha256((headers + text).encode()).hexdigest()[:16]
            target = folder / f"{key}.o"
            if not target.exists():
                _compile(folder, "-c", str(compiled_path(folder, name)), "-o", str(target))
            objects.append(str(target))
    sources = [str(HARNESS / "startup.cpp"), "main.cpp", str(library / "vww_model.cpp")]
    _compile(folder, f"-L{HARNESS}", "-T", "mps2.ld", f"-I{library}", "-I.", *sources, *objects, "-o", "program.elf")
    command = [
        "qemu-system-arm",
        "-M",
        TARGET.get_emulator().machine,
        "-nographic",
        "-monitor",
        "none",
        "-serial",
        "null",
    ]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", "program.elf"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=120)
    count = len(compiled.layers)
    digests = np.frombuffer(done.stdout[: 4 * count], "<u4").tolist()
    return digests, np.frombuffer(done.stdout[4 * count :], np.int8)


def compiled_path(folder: Path, name: str) -> Path:
    """Where a file of the library was written."""
    return folder / "model" / name


def _compile(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["arm-none-eabi-g++", *TARGET.flags, *TARGET.library_flags, *FLAGS, "-g0", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
