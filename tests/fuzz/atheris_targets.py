"""The host's readers under atheris: python tests/fuzz/atheris_targets.py decoder|messages|model|store [options]"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["vww_deploy"]):
    from vww_deploy.errors import ModelError, StoreError
    from vww_deploy.graph.reader import read_model
    from vww_deploy.link import messages as m
    from vww_deploy.link.frames import Decoder
    from vww_deploy.runs.store import Store


def decoder(data: bytes) -> None:
    list(Decoder().feed(data))


def messages(data: bytes) -> None:
    kind = m.BY_TYPE.get(data[0]) if data else None
    if kind is not None:
        with contextlib.suppress(m.BadMessageError):
            kind.unpack(data[1:])


def model(data: bytes) -> None:
    with contextlib.suppress(ModelError):
        read_model(data)


def store(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        path.write_bytes(data)
        with contextlib.suppress(StoreError), Store(path, create=False) as opened:
            for run in opened.runs():
                list(opened.results(run.id))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "decoder": decoder,
    "messages": messages,
    "model": model,
    "store": store,
}

if __name__ == "__main__":
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(TARGETS)} [libFuzzer options]")
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
