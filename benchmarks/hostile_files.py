"""Damaged and hostile models before the commands that read them: the figures of docs/security.md.

    python benchmarks/hostile_files.py              # 1,000 edits, 1,000 bit flips; goes on where it stopped
    python benchmarks/hostile_files.py --only 17    # one, in this process, with its traceback

Even cases are edits: numbers that a field cannot have, tables that lead elsewhere, pieces cut out, put in or written
over. Odd ones are flips of one to eight bits. Each is done to one of five models, and ``inspect`` is asked about it;
what it takes is compiled. ``refused``: an error in words. ``traceback``, ``died``, ``hung``, ``slow`` (more than 10 s
of a processor) and ``large`` (more than 300 MB) must not be.
"""

from __future__ import annotations

import resource
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support import campaign
from tests.support.random_models import moved_model, random_model, small_mobilenet, unsigned_model, varied_model
from vww_deploy.cli import build
from vww_deploy.compiler import compile_model
from vww_deploy.errors import ModelError, VwwError

SECONDS, MEGABYTES = 10, 300
PATIENCE_S = 300
"""On a machine that is busy with other work."""
BAD = ("traceback", "died", "hung", "slow", "large")
NUMBERS = (0, 1, -1, 2, 127, 255, 4096, 65535, 1 << 20, (1 << 31) - 1, -(1 << 31), 0x7F800000, 0x7FC00000, 1)


@cache
def models() -> tuple[bytes, ...]:
    return small_mobilenet(), random_model(3), varied_model(4), moved_model(5), unsigned_model(6)


def edited(data: bytearray, random: np.random.Generator) -> bytes:
    """Some hostile edits, most of them in the first and last 4 KB, where the tables are."""
    for _ in range(int(random.integers(1, 4))):
        near = min(4096, len(data))
        at = int(random.integers(near))
        at = at if random.random() < 0.5 else len(data) - 1 - at
        kind, length = random.random(), int(random.integers(1, 64))
        if kind < 0.6:
            at = min(at & ~3, len(data) - 4)
            struct.pack_into("<i", data, at, int(random.choice(NUMBERS)))
        elif kind < 0.7:
            at = min(at & ~1, len(data) - 2)
            struct.pack_into("<H", data, at, int(random.integers(1 << 16)))
        elif kind < 0.8:
            other = int(random.integers(len(data) - 64))
            data[at : at + length] = data[other : other + length]
        elif kind < 0.87:
            del data[at : at + length]
        elif kind < 0.94:
            data[at:at] = random.bytes(length)
        else:
            del data[max(at, 16) :]
        if len(data) < 128:
            break
    return bytes(data)


def flipped(data: bytearray, random: np.random.Generator) -> bytes:
    """One to eight bits."""
    for bit in random.integers(0, 8 * len(data), int(random.integers(1, 9))).tolist():
        data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def file_of(case: int) -> bytes:
    random = np.random.default_rng(case)
    data = bytearray(models()[case // 2 % len(models())])
    return (flipped if case % 2 else edited)(data, random)


def outcome(path: Path) -> dict[str, Any]:
    """What came of one file."""
    said = CliRunner().invoke(build(), ["inspect", str(path), "--json"])
    if said.exception is not None and not isinstance(said.exception, VwwError | SystemExit):
        return {"outcome": "traceback", "why": "".join(traceback.format_exception(said.exception))[-600:]}
    if said.exit_code:
        return {"outcome": "refused", "why": str(said.exception)[:200]}
    try:
        compile_model(path)
    except ModelError as error:
        return {"outcome": "refused by compile", "why": error.message[:200]}
    except VwwError as error:
        return {"outcome": "refused by compile", "why": str(error)[:200]}
    return {"outcome": "compiled"}


def work(cases: list[int]) -> Iterable[campaign.Record]:
    for case in cases:
        before = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hostile.tflite"
            path.write_bytes(file_of(case))
            try:
                record = outcome(path)
            except Exception:
                record = {"outcome": "traceback", "why": traceback.format_exc()[-600:]}
        cpu = round(time.process_time() - before, 2)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 > MEGABYTES:
            record = {"outcome": "large", "why": record["outcome"]}
        elif cpu > SECONDS:
            record = {"outcome": "slow", "why": record["outcome"]}
        yield {"case": case, "kind": "flip" if case % 2 else "edit", **record, "cpu": cpu}


def main() -> int:
    args = campaign.arguments(__doc__ or "", 2_000)
    with tempfile.TemporaryDirectory() as folder:  # whatever is imported late is so before the cases' children begin
        path = Path(folder) / "whole.tflite"
        path.write_bytes(models()[-1])
        assert outcome(path) == {"outcome": "compiled"}
    if args.only:
        for record in work(args.only):
            print(record)
        return 0
    keep = args.keep or Path("build/campaigns/hostile_files.jsonl")
    records = campaign.run(keep, args.count, work, part=args.part, seconds=PATIENCE_S)
    return campaign.summary(records, BAD, as_json=args.json, title="hostile files")


if __name__ == "__main__":
    sys.exit(main())
