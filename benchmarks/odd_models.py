"""Odd but legal models against LiteRT's reference kernels: the figures of docs/security.md.

    python benchmarks/odd_models.py                 # 2,000 models; half an hour
    python benchmarks/odd_models.py --only 17       # one, in this process

Each model is compiled for speed or for RAM, built for this machine and compared with LiteRT, every layer of three
pictures, bit by bit. ``exact``: equal. ``refused``: by our reader, in words. ``litert refused`` and ``litert aborted``:
our compiler takes it, the reference (in its process) does not compute it. ``wrong``, ``died`` and ``hung`` must not be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support import campaign
from tests.support.batch_engine import engines
from tests.support.exactness import check
from tests.support.odd_models import odd_model
from tests.support.random_models import moved_model, random_model, unsigned_model, varied_model
from vww_deploy.compiler import Compiled, HostEngine, compile_model
from vww_deploy.errors import BuildError, ModelError

PICTURES = 3
BAD = ("wrong", "died", "hung")


def model_of(case: int) -> bytes:
    """Every fourth model is one of the test suite's kinds, of seeds that it has not."""
    if case % 4:
        return odd_model(case)
    kinds = (random_model, varied_model, moved_model, unsigned_model)
    return kinds[case // 4 % len(kinds)](1_000_000 + case)


def work(cases: list[int]) -> Iterable[campaign.Record]:
    compiled: dict[int, Compiled] = {}
    for case in cases:
        try:
            compiled[case] = compile_model(model_of(case), optimize="ram" if case % 2 else "speed")
        except ModelError as error:
            yield {"case": case, "outcome": "refused", "why": error.message.splitlines()[-1].strip()[:200]}
    try:
        built = dict(zip(compiled, engines(list(compiled.values())), strict=True)) if compiled else {}
    except BuildError:  # one of them; it is found below
        built = {}
    for case, one in compiled.items():
        yield {"case": case, **compare(one, built.get(case))}


def compare(compiled: Compiled, engine: HostEngine | None, seed: int = 0) -> campaign.Record:
    """The outcome of one compiled model."""
    try:
        check(compiled, PICTURES, seed, engine)
    except ModelError as error:
        died = "ended itself" in error.message
        return {"outcome": "litert aborted" if died else "litert refused", "why": error.message[:300]}
    except (AssertionError, BuildError) as error:
        return {"outcome": "wrong", "why": " ".join(str(error).split())[:300]}
    return {"outcome": "exact"}


if __name__ == "__main__":
    sys.exit(campaign.main(__doc__ or "", 2_000, work, BAD, title="odd models", seconds=120, together=25))
