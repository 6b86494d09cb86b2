"""What ``--json`` prints, compared with the dataclasses that docs/json.md is made of."""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from vww_deploy.files import JSON_SCHEMA

_SOURCE = Path(__file__).resolve().parents[2] / "docs" / "json_page.py"


@functools.cache
def json_page() -> Any:
    """The module ``docs/json_page.py``."""
    if not _SOURCE.is_file():
        pytest.skip("needs the checkout")
    spec = importlib.util.spec_from_file_location("json_page", _SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_documented(printed: str, kinds: tuple[type, ...]) -> None:
    """``printed`` has a schema version and is an error or one of ``kinds``, field by field."""
    values = json.loads(printed)
    assert values.pop("schema") == JSON_SCHEMA
    if "error" in values:
        assert {"kind", "message", "hint", "exit_code"} <= values["error"].keys()
        return
    wrong = [list(json_page().matches(values, kind)) for kind in kinds]
    assert [] in wrong, wrong


def assert_command_documented(arguments: tuple[object, ...], printed: str) -> None:
    """Of a command line with ``--json``, that its output is the page's."""
    words = [str(argument) for argument in arguments]
    commands = json_page().COMMANDS
    name = " ".join(words[:2]) if " ".join(words[:2]) in commands else words[0]
    assert_documented(printed, commands[name])
