"""The host's readers under coverage guidance: python -m tests.fuzz.atheris_targets TARGET [libFuzzer options]"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["vww_deploy", "cobs"]):
    from tests.fuzz.host_targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz.atheris_targets {'|'.join(TARGETS)} [libFuzzer options]")
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
