"""Many emitted libraries built as one: what a compiler costs to start is paid once."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from vww_deploy.compiler import Compiled, HostEngine
from vww_deploy.errors import BuildError
from vww_deploy.resources import cache_dir, firmware_dir

_FUNCTIONS = ("input", "invoke", "output", "invoke_hooked")
_FOLDER = firmware_dir() / "lib" / "vww_nn"


def engines(models: Sequence[Compiled]) -> list[HostEngine]:
    """An engine for each model. Raises BuildError when one of them does not build."""
    kernels = _kernels()
    with tempfile.TemporaryDirectory() as temporary:
        source, built = Path(temporary) / "models.cpp", Path(temporary) / "models.so"
        source.write_text(_joined(models))
        # The least optimisation: they are numbers and calls.
        _compile(["-O0", str(source), str(kernels), "-o", str(built)])
        library = ctypes.CDLL(str(built))
    return [_engine(model, library, number) for number, model in enumerate(models)]


def _joined(models: Sequence[Compiled]) -> str:
    """All models in one source, each in a namespace of its own."""
    headers, parts = set(), []
    for number, model in enumerate(models):
        text = next(text for name, text in model.files.items() if name.endswith("/vww_model.cpp"))
        headers |= set(re.findall(r'#include "(vww_nn/\w+\.h)"', text))
        body = re.sub(r"^#include .*$", "", text, flags=re.MULTILINE)
        parts.append(
            f"namespace m{number} {{\n{body}\n}}\n"
            + 'extern "C" {\n'
            + f"int8_t* m{number}_input(void) {{ return m{number}::vww_model_input(); }}\n"
            + f"void m{number}_invoke(void) {{ m{number}::vww_model_invoke(); }}\n"
            + f"const int8_t* m{number}_output(void) {{ return m{number}::vww_model_output(); }}\n"
            + f"void m{number}_invoke_hooked(vww_model_hook hook, void* context) {{\n"
            + f"  m{number}::vww_model_invoke_hooked(hook, context);\n}}\n}}\n"
        )
    header = next(text for name, text in models[0].files.items() if name.endswith("/vww_model.h"))
    return header + "".join(f'#include "{name}"\n' for name in sorted(headers)) + "".join(parts)


def _kernels() -> Path:
    """All kernels, built as they always are, and kept."""
    texts = [path.read_bytes() for path in sorted(_FOLDER.iterdir())]
    kept = cache_dir() / "campaign" / f"kernels-{hashlib.sha256(b''.join(texts)).hexdigest()[:16]}.so"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = kept.with_suffix(f".{os.getpid()}.tmp")
        _compile(["-O2", *(str(path) for path in sorted(_FOLDER.glob("*.cpp"))), "-o", str(made)])
        made.replace(kept)
    return kept


def _compile(arguments: list[str]) -> None:
    command = ["g++", "-std=c++17", "-fPIC", "-shared", "-Wall", "-Wextra", f"-I{_FOLDER.parent}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise BuildError(f"the models do not build:\n{done.stderr[-2000:]}")


def _engine(model: Compiled, library: ctypes.CDLL, number: int) -> HostEngine:
    functions = {f"vww_model_{name}": getattr(library, f"m{number}_{name}") for name in _FUNCTIONS}
    for name in ("vww_model_input", "vww_model_output"):
        functions[name].restype = ctypes.POINTER(ctypes.c_int8)
    engine = HostEngine.__new__(HostEngine)
    engine.compiled = model
    engine._library = SimpleNamespace(**functions)  # type: ignore[assignment]
    engine._input_shape = model.graph.input_activation.shape
    engine._output_shape = model.graph.output_activation.shape
    return engine
