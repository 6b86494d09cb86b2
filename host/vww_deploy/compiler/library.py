"""A compiled model as a library for a program of one's own: with its card as constants, an example and the licence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vww_deploy import __version__
from vww_deploy.compiler.compiled import Compiled
from vww_deploy.compiler.emit import DEFAULT_NAME, emit, plain_name, render
from vww_deploy.errors import DataError
from vww_deploy.files import write_folder
from vww_deploy.graph.model import Model
from vww_deploy.pictures import preprocess
from vww_deploy.resources import data_root

# A library's header would be taken for the system's.
_HEADERS: Final = (
    *("arduino", "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "limits", "locale", "malloc"),
    *("math", "memory", "new", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio", "stdlib"),
    *("string", "time", "wire"),
)


def check_name(name: str) -> None:
    """Raises :class:`DataError` for what cannot be the beginning of C names and the name of a header."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", name):
        raise DataError(
            f"{name!r} cannot be the beginning of names in C", hint="letters, digits and _, a letter first: --name door"
        )
    if name.lower() in _HEADERS:
        raise DataError(f"{name}.h is a header of C or of Arduino", hint=f"another name, as --name {name}_model")


def library_files(model: Model, compiled: Compiled, name: str = DEFAULT_NAME) -> dict[str, str]:
    """The library's files, text by path relative to its folder: engine, card, example, licence."""
    return {
        **emit(compiled.graph, compiled.plan, compiled.kernels, name),
        f"src/{name}_card.h": card_header(model, name),
        f"examples/{name}_example/{name}_example.ino": render("example.ino.jinja", _names(model, name)),
        "LICENSE": (data_root() / "LICENSE").read_text(encoding="utf-8"),
    }


def card_header(model: Model, name: str = DEFAULT_NAME) -> str:
    """``NAME_card.h``: labels, threshold, how pixels become the input and outputs a probability."""
    table = preprocess.quantisation_table(model.card.input, model.graph.input_activation.quantization).tolist()
    rows = [", ".join(map(str, table[i : i + 16])) for i in range(0, 256, 16)]
    pixels = ",\n".join(f"    {row}" for row in rows)
    values = {"card": model.card, "outputs": model.outputs, "pixels": pixels, "version": __version__}
    return render("card.h.jinja", _names(model, name) | values)


def write_library(model: Model, compiled: Compiled, folder: Path, name: str = DEFAULT_NAME) -> Mapping[str, str]:
    """Writes the library into a folder, made when missing; files there of the same names are replaced, whole.

    Args:
        model: with its card.
        compiled: the same model.
        name: what its headers are called and its public names begin with.

    Returns:
        the files, text by path.

    Raises:
        DataError: there can be no such names, or the folder cannot be written.
    """
    check_name(name)
    files = library_files(model, compiled, name)
    try:
        write_folder(folder, files)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}", hint="choose another folder") from error
    return files


def _names(model: Model, name: str) -> dict[str, object]:
    return {"name": name, "macro": name.upper(), "model": plain_name(model.name)}
