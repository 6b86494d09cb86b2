"""vww-deploy: from a person-detection .tflite to a board that runs it, watched over its serial port.

    from vww_deploy import Store, connect, flash, load_model, stream

    model = load_model("person_96_gray")
    flash(model.path, "virtual")
    with Store() as store, connect(model, board="virtual") as session:
        for event in stream(session, ["photos/"], store):
            print(event)

The names below are the public interface. They keep their meaning within a minor version; what changes them is in
CHANGELOG.md. Everything else may be imported from its module as well, and may change with any version. Each name is
loaded when it is first used, so that ``import vww_deploy`` alone costs nothing. What can go wrong is a subclass of
:class:`VwwError`, whose ``hint`` says what to do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from vww_deploy.boards.flash import flash
    from vww_deploy.compiler import compile_model
    from vww_deploy.errors import VwwError
    from vww_deploy.graph.model import Model, load_model
    from vww_deploy.runs.rundata import load_run
    from vww_deploy.runs.store import Store
    from vww_deploy.runs.stream import stream
    from vww_deploy.session.bench import bench
    from vww_deploy.session.connect import open_session as connect
    from vww_deploy.session.session import Session
    from vww_deploy.session.verify import verify
    from vww_deploy.training.evaluate import evaluate_folder as evaluate

    __version__: str

__all__ = [
    "Model",
    "Session",
    "Store",
    "VwwError",
    "bench",
    "compile_model",
    "connect",
    "evaluate",
    "flash",
    "load_model",
    "load_run",
    "stream",
    "verify",
]

_PLACES: Final = {
    "Model": ("graph.model", "Model"),
    "Session": ("session.session", "Session"),
    "Store": ("runs.store", "Store"),
    "VwwError": ("errors", "VwwError"),
    "bench": ("session.bench", "bench"),
    "compile_model": ("compiler", "compile_model"),
    "connect": ("session.connect", "open_session"),
    "evaluate": ("training.evaluate", "evaluate_folder"),
    "flash": ("boards.flash", "flash"),
    "load_model": ("graph.model", "load_model"),
    "load_run": ("runs.rundata", "load_run"),
    "stream": ("runs.stream", "stream"),
    "verify": ("session.verify", "verify"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("vww-deploy")
    elif name in _PLACES:
        module, attribute = _PLACES[name]
        value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
