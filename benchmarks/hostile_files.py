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
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support import campaign
from tests.support.hostile_files import hostile_file, models
from vww_deploy.compiler import compile_model
from vww_deploy.errors import ModelError, VwwError

SECONDS, MEGABYTES = 10, 300
PATIENCE_S = 300
"""On a machine that is busy with other work."""
BAD = ("traceback", "died", "hung", "slow", "large")


def outcome(path: Path) -> dict[str, Any]:
    """What came of one file."""
    ended = campaign.invoked(["inspect", str(path), "--json"])
    if ended is not None and not isinstance(ended, VwwError | SystemExit):
        return {"outcome": "traceback", "why": "".join(traceback.format_exception(ended))[-600:]}
    if ended is not None:
        return {"outcome": "refused", "why": str(ended)[:200]}
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
            path.write_bytes(hostile_file(case))
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


def warm_up() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.tflite"
        path.write_bytes(models()[-1])
        assert outcome(path) == {"outcome": "compiled"}
        path.write_bytes(hostile_file(66))
        assert outcome(path)["outcome"] == "refused"


if __name__ == "__main__":
    sys.exit(campaign.main(__doc__ or "", 2_000, work, BAD, title="hostile files", seconds=PATIENCE_S, warm_up=warm_up))
