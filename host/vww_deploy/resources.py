"""Where firmware sources, board files and shipped models are: inside the wheel, or in the checkout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import platformdirs

_PACKAGE: Final = Path(__file__).resolve().parent


def data_root() -> Path:
    """Folder that holds ``firmware/``, ``models/`` and ``platformio.ini``; read-only by convention."""
    packed = _PACKAGE / "_data"
    return packed if packed.is_dir() else _PACKAGE.parents[1]


def firmware_dir() -> Path:
    """The firmware's sources: ``src/``, ``lib/`` and ``boards/``."""
    return data_root() / "firmware"


def models_dir() -> Path:
    """The shipped models, each ``NAME.tflite`` beside its model card ``NAME.json``."""
    return data_root() / "models"


def cache_dir() -> Path:
    """The user's work folder for builds and tools; created when missing. ``VWW_DEPLOY_CACHE`` overrides it."""
    override = os.environ.get("VWW_DEPLOY_CACHE")
    path = Path(override) if override else Path(platformdirs.user_cache_dir("vww-deploy", appauthor=False))
    path.mkdir(parents=True, exist_ok=True)
    return path


def state_dir() -> Path:
    """The user's folder for what must last: the run store; created when missing. ``VWW_DEPLOY_STATE`` overrides it."""
    override = os.environ.get("VWW_DEPLOY_STATE")
    path = Path(override) if override else Path(platformdirs.user_state_dir("vww-deploy", appauthor=False))
    path.mkdir(parents=True, exist_ok=True)
    return path
