"""Where firmware sources, board files and shipped models are: inside the wheel, or in the checkout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import platformdirs

from vww_deploy.errors import VwwError

_PACKAGE: Final = Path(__file__).resolve().parent


def data_root() -> Path:
    """Folder that holds ``firmware/``, ``models/`` and ``platformio.ini``; read-only by convention."""
    packed = _PACKAGE / "_data"
    return packed if packed.is_dir() else _PACKAGE.parents[1]


def firmware_dir() -> Path:
    """The firmware's sources: ``src/``, ``lib/`` and ``boards/``."""
    return data_root() / "firmware"


def firmware_sources(below: str = "") -> Iterator[tuple[str, bytes]]:
    """The names, below the folder ``below`` of :func:`firmware_dir`, and contents of its files, in order."""
    folder = firmware_dir() / below
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        yield path.relative_to(folder).as_posix(), path.read_bytes()


def models_dir() -> Path:
    """The shipped models, each ``NAME.tflite`` beside its model card ``NAME.json``."""
    return data_root() / "models"


def cache_dir() -> Path:
    """The user's work folder for builds and tools; created when missing. ``VWW_DEPLOY_CACHE`` overrides it.

    Raises:
        VwwError: it cannot be made or written to.
    """
    return _own_folder("VWW_DEPLOY_CACHE", platformdirs.user_cache_dir("vww-deploy", appauthor=False))


def state_dir() -> Path:
    """The user's folder for what must last: the run store; created when missing. ``VWW_DEPLOY_STATE`` overrides it.

    Raises:
        VwwError: it cannot be made or written to.
    """
    return _own_folder("VWW_DEPLOY_STATE", platformdirs.user_state_dir("vww-deploy", appauthor=False))


def own_boards_dir() -> Path:
    """Where the boards lie that the user added; need not exist. ``VWW_DEPLOY_CONFIG`` overrides its parent."""
    config = os.environ.get("VWW_DEPLOY_CONFIG") or platformdirs.user_config_dir("vww-deploy", appauthor=False)
    return Path(config) / "boards"


def install_extra(extra: str) -> str:
    """The command that installs the packages of one of pyproject.toml's extras, by their own names."""
    try:
        listed = metadata.requires("vww-deploy") or []
    except metadata.PackageNotFoundError:  # run from a checkout's sources
        listed = []
    named = re.compile(rf"extra\s*==\s*['\"]{extra}['\"]")
    wanted = [line.partition(";")[0].strip() for line in listed if named.search(line)]
    return "pip install " + " ".join(f"'{package}'" for package in wanted or [f".[{extra}]"])


def _own_folder(variable: str, default: str) -> Path:
    path = Path(os.environ.get(variable) or default)
    hint = f"move what is in the way, or name another folder in the environment variable {variable}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)  # sockets and what was seen are the user's alone
    except OSError as error:
        raise VwwError(f"{path}: the folder cannot be made: {error.strerror or error}", hint=hint) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise VwwError(f"{path}: the folder cannot be written to", hint=hint)
    return path
