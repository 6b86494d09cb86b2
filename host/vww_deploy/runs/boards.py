"""One model on several boards: latency of each, and the pictures on which they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vww_deploy.errors import DataError
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.rundata import RunData
from vww_deploy.spread import Spread


@dataclass(frozen=True)
class BoardFigures:
    """What a board did in all of the runs.

    Attributes:
        board: its kind.
        serial: its serial number, a virtual board's name; the run's title where nobody knows.
        results: how many.
        clock: unit of ``ticks``.
        latency_us: None where the board counts instructions instead of measuring time.
        ticks: latency in the unit of the board's clock.
        compared: how many results the reference ran beside.
        equal: how many of these are the reference's.
        common: pictures that the first board did, too.
        flips: how many of these have another prediction than on the first board.
        outputs: how many of these have other outputs, byte for byte, than on the first board.
    """

    board: str
    serial: str
    results: int
    clock: str
    latency_us: Spread | None
    ticks: Spread
    compared: int
    equal: int
    common: int
    flips: int
    outputs: int


@dataclass(frozen=True, eq=False)
class Disagreement:
    """A picture of which not all boards say the same; ``answers`` in the order of the boards, None where one lacks."""

    answers: tuple[tuple[RunData, StoredResult] | None, ...]

    @property
    def first(self) -> tuple[RunData, StoredResult]:
        """The answer of the first board that has one."""
        return next(answer for answer in self.answers if answer is not None)


@dataclass(frozen=True, eq=False)
class BoardComparison:
    """Several boards with one model; a picture is the same if its file's SHA-256 is."""

    model: str
    model_sha256: str
    boards: tuple[BoardFigures, ...]
    shared: int
    """Pictures that more than one board did."""
    disagreements: tuple[Disagreement, ...]


_Answers = dict[str, tuple[RunData, StoredResult]]  # by the picture's SHA-256


def compare_boards(runs: Sequence[RunData]) -> BoardComparison:
    """Compare the boards of one or more runs.

    Raises:
        DataError: the runs are of several models.
    """
    model = runs[0].board
    for run in runs:
        if run.board.model_sha256 != model.model_sha256:
            raise DataError(
                f"{runs[0].title} ran {model.model} ({model.model_sha256[:12]}), {run.title} {run.board.model} "
                f"({run.board.model_sha256[:12]})",
                hint="boards are compared with one model; `vww-deploy runs compare A B` compares two models",
            )
    results: dict[tuple[str, str], list[tuple[RunData, StoredResult]]] = {}
    for run in runs:
        for entry in run.entries:
            board = run.board.board, entry.board_serial or run.title
            results.setdefault(board, []).append((run, entry))
    answers = []
    for of_board in results.values():
        mine: _Answers = {}
        for run, entry in of_board:
            mine.setdefault(entry.sha256, (run, entry))
        answers.append(mine)
    pictures = {sha256: None for mine in answers for sha256 in mine}  # in the order of the runs
    shared = [sha256 for sha256 in pictures if sum(sha256 in mine for mine in answers) > 1]
    return BoardComparison(
        model=model.model,
        model_sha256=model.model_sha256,
        boards=tuple(
            _figures(*board, of_board, mine, answers[0])
            for (board, of_board), mine in zip(results.items(), answers, strict=True)
        ),
        shared=len(shared),
        disagreements=tuple(
            Disagreement(tuple(mine.get(sha256) for mine in answers))
            for sha256 in shared
            if len({run.person(entry) for run, entry in (mine[sha256] for mine in answers if sha256 in mine)}) > 1
        ),
    )


def _figures(
    board: str, serial: str, results: Sequence[tuple[RunData, StoredResult]], mine: _Answers, first: _Answers
) -> BoardFigures:
    made = [entry.inference for _, entry in results]
    times = [one.latency_us for one in made if one.latency_us is not None]
    equal = [one.equal for one in made if one.equal is not None]
    common = [(first[sha256], answer) for sha256, answer in mine.items() if sha256 in first]
    return BoardFigures(
        board=board,
        serial=serial,
        results=len(made),
        clock=results[0][0].board.clock,
        latency_us=Spread.of(times) if times else None,
        ticks=Spread.of(one.ticks for one in made),
        compared=len(equal),
        equal=sum(equal),
        common=len(common),
        flips=sum(a[0].person(a[1]) != b[0].person(b[1]) for a, b in common),
        outputs=sum(a[1].inference.outputs != b[1].inference.outputs for a, b in common),
    )
