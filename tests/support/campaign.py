"""Long campaigns of numbered cases: each case in a forked child with bounds, each outcome a line of a file.

What is in the file already is not done again, so a campaign may be stopped at any time and goes on where it was, and
several may share the work by ``--part 1/2``. The scripts are in ``benchmarks/``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from typer.main import get_command

from vww_deploy.cli import build

Record = dict[str, Any]
"""``case``, its number; ``outcome``, a word; whatever else is worth knowing."""


@cache
def _command_line() -> Any:
    return get_command(build())


def invoked(arguments: list[str]) -> BaseException | None:
    """Call the command line, which is put together once and not for each call; None, or what ended it.

    That is ``SystemExit`` with a status other than 0, an error of the package's own, or one that should not be.
    """
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            called(arguments)
        except BaseException as error:
            return error if not isinstance(error, SystemExit) or error.code else None
    return None


def called(arguments: list[str]) -> None:
    """As :func:`invoked`, with what it prints and raises."""
    _command_line().main(arguments, prog_name="vww-deploy")


def arguments(about: str, count: int) -> argparse.Namespace:
    """The options that all campaigns have."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=count, help=f"cases in all; {count:,}")
    parser.add_argument("--part", default="1/1", help="of several that share the work, such as 1/2")
    parser.add_argument("--keep", type=Path, help="the file of outcomes, to go on from; one in build/ by default")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.add_argument("--only", type=int, nargs="*", help="these cases alone, in this process, with tracebacks")
    return parser.parse_args()


def main(
    about: str,
    count: int,
    work: Callable[[list[int]], Iterable[Record]],
    bad: Iterable[str],
    *,
    title: str,
    seconds: float,
    together: int = 1,
    warm_up: Callable[[], None] = lambda: None,
) -> int:
    """A campaign's whole script: its options, :func:`run` and :func:`summary`; returns the exit status.

    Args:
        warm_up: imports what is imported late, so that it is there before the cases' children begin.
    """
    args = arguments(about, count)
    warm_up()
    if args.only:
        for record in work(args.only):
            print(record)
        return 0
    keep = args.keep or Path("build/campaigns") / f"{title.replace(' ', '_')}.jsonl"
    records = run(keep, args.count, work, part=args.part, together=together, seconds=seconds)
    return summary(records, bad, as_json=args.json, title=title)


def done(path: Path) -> dict[int, Record]:
    """The outcomes so far, by case; half a line at the end is none."""
    found = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                found[record["case"]] = record
    return found


def run(
    path: Path,
    count: int,
    work: Callable[[list[int]], Iterable[Record]],
    *,
    part: str = "1/1",
    together: int = 1,
    seconds: float = 10,
) -> dict[int, Record]:
    """Runs ``work`` on the cases that are left, ``together`` at a time, and appends its records to ``path``.

    A child that dies, raises or takes more than ``seconds`` a case leaves a record of it for the case it was at.
    Each record gets the child's peak of memory in MB and the seconds since the record before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number, parts = (int(n) for n in part.split("/"))
    left = [case for case in range(count) if case not in done(path)]
    pieces = [left[i : i + together] for i in range(0, len(left), together)][number - 1 :: parts]
    for index, piece in enumerate(pieces):
        rest = piece
        while rest:
            records = _in_child(rest, work, seconds)
            with path.open("a") as file:
                file.writelines(json.dumps(record) + "\n" for record in records)
            rest = [case for case in rest if case not in {record["case"] for record in records}]
        if sys.stderr.isatty():
            print(f"\r{index + 1} of {len(pieces)} pieces", end="", file=sys.stderr, flush=True)
    return done(path)


def _in_child(cases: list[int], work: Callable[[list[int]], Iterable[Record]], seconds: float) -> list[Record]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            os.setsid()
            with os.fdopen(writing, "w", buffering=1) as pipe:
                for record in work(cases):
                    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                    pipe.write(json.dumps({**record, "mb": max(peak, record.get("mb", 0))}) + "\n")
            code = 0
        except BaseException:
            with contextlib.suppress(OSError):
                os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)
    os.close(writing)
    records: list[Record] = []
    pending, started, late = b"", time.monotonic(), False
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while not late:
            if not select.select([pipe], [], [], max(started + seconds - time.monotonic(), 0))[0]:
                late = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                break
            got = pipe.read(1 << 16)
            if not got:
                break
            *lines, pending = (pending + got).split(b"\n")
            for line in lines:
                now = time.monotonic()
                records.append({**json.loads(line), "s": round(now - started, 2)})
                started = now
    _, status = os.waitpid(pid, 0)
    if status and len(records) < len(cases):
        code = os.waitstatus_to_exitcode(status)
        how = f"more than {seconds:g} s" if late else f"signal {-code}" if code < 0 else "an exception of the campaign"
        seen = {record["case"] for record in records}
        at = next(case for case in cases if case not in seen)
        records.append({"case": at, "outcome": "hung" if late else "died", "why": how})
    return records


def summary(records: dict[int, Record], bad: Iterable[str], *, as_json: bool, title: str) -> int:
    """Prints the counts; the exit status: 1 if there are outcomes that must not be."""
    counts = Counter(record["outcome"] for record in records.values())
    worst = {key: max((r.get(key, 0) for r in records.values()), default=0) for key in ("mb", "s", "cpu")}
    wrong = sorted(case for case, record in records.items() if record["outcome"] in set(bad))
    if as_json:
        print(json.dumps({"title": title, "cases": len(records), "outcomes": counts, "most": worst, "wrong": wrong}))
    else:
        print(f"{title}: {len(records):,} cases: " + ", ".join(f"{n:,} {what}" for what, n in counts.most_common()))
        cpu = f" ({worst['cpu']} s of a processor)" if worst["cpu"] else ""
        print(f"at most {worst['mb']} MB and {worst['s']} s{cpu} each")
        for case in wrong[:20]:
            print(f"  case {case}: {records[case]}")
    return 1 if wrong else 0
