"""Architecture search: what it proposes, what it costs, and that a killed search loses nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from vww_deploy.boards.catalogue import get_board
from vww_deploy.compiler import HostEngine, compile_model
from vww_deploy.errors import DataError
from vww_deploy.graph.architecture import Architecture, Block
from vww_deploy.graph.costs import mobilenet_v1
from vww_deploy.graph.synthetic import architecture_graph, mobilenet_v1_graph
from vww_deploy.search.costs import CandidateCost, Limits, limits_of, parse_size, parse_time, planned_cost, table_cost
from vww_deploy.search.report import write_csv, write_page
from vww_deploy.search.space import describe, is_reasonable
from vww_deploy.search.study import SearchStudy, mobilenets_within

INVERTED = Architecture("inverted", 48, 3, 8, (Block(8, 3, 2, 2), Block(8, 3, 1, 2), Block(16, 5, 2, 3)))
LIMITS = Limits("nano33ble", 64_000_000, 3_000_000, 40_000, 60_000)
ROOMY = Limits("nano33ble", 64_000_000, 12_000_000, 100_000, 300_000)


def quiet(stage: str, done: int, total: int) -> None:
    """No progress."""


def test_mobilenet_v1_is_an_architecture_of_the_same_cost() -> None:
    graph = architecture_graph(Architecture.mobilenet_v1(0.25, 96, 1))
    assert graph.macs == mobilenet_v1(0.25).macs == mobilenet_v1_graph(mobilenet_v1(0.25)).macs
    assert graph.parameters == mobilenet_v1(0.25).parameters


def test_an_inverted_residual_network_compiles_and_runs() -> None:
    compiled = compile_model(architecture_graph(INVERTED))
    kinds = [op.kind for op in compiled.source.ops]
    assert kinds.count("DEPTHWISE_CONV_2D") == 3 and kinds.count("ADD") == 1
    output = HostEngine(compiled).run(np.zeros((48, 48, 3), np.int8))
    assert output.size == 2


def test_an_architecture_survives_json_and_is_known_by_its_key() -> None:
    assert Architecture.from_json(INVERTED.to_json()) == INVERTED
    assert Architecture.from_json(INVERTED.to_json()).key == INVERTED.key
    with pytest.raises(DataError, match="describe no architecture"):
        Architecture.from_json({"kind": "separable"})


def test_a_description_says_what_varies() -> None:
    assert describe(INVERTED) == "48x48 RGB, stem 8, 8x2/2e2 16k5/2e3"


def test_the_last_map_is_neither_a_point_nor_half_the_picture() -> None:
    assert is_reasonable(INVERTED)
    assert not is_reasonable(Architecture("separable", 128, 1, 8, (Block(8),)))


def test_the_tables_arithmetic_is_the_plans() -> None:
    table, plan = table_cost(INVERTED), planned_cost(INVERTED)
    assert (table.macs, table.parameters) == (plan.macs, plan.parameters)
    assert table.ram_bytes is None and plan.ram_bytes


@pytest.mark.parametrize(("text", "size"), [("64K", 65536), ("65536", 65536), ("1.5M", 1572864), ("64KB", 65536)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text, "--ram") == size


@pytest.mark.parametrize(("text", "seconds"), [("150ms", 0.15), ("1.5s", 1.5), ("4h", 14400), ("30m", 1800)])
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text, "--latency") == seconds


@pytest.mark.parametrize("text", ["", "150", "fast", "-1ms", "0ms"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(DataError, match="is no time") as caught:
        parse_time(text, "--latency")
    assert "150ms" in caught.value.hint


def test_limits_are_the_boards_where_nothing_is_given() -> None:
    board = get_board("nano33ble")
    limits = limits_of(board, latency="150ms", ram="64K", flash=None)
    assert (limits.cycles, limits.ram_bytes, limits.flash_bytes) == (9_600_000, 65536, board.flash_bytes)
    with pytest.raises(DataError, match="leaves 150,000 B of RAM"):
        limits_of(board, latency=None, ram="1M", flash=None)
    with pytest.raises(DataError, match="no time to limit"):
        limits_of(get_board("virtual"), latency="150ms", ram=None, flash=None)


def test_broken_limits_are_named_with_their_factor() -> None:
    assert LIMITS.broken_by(CandidateCost(1, 1, 6_000_000, 30_000, 50_000, "plan")) == {"cycles": 2.0, "RAM": 1.25}


def test_a_search_that_was_stopped_goes_on_without_loss_or_repetition(tmp_path: Path) -> None:
    path = tmp_path / "search.journal"
    SearchStudy(path, ROOMY, seed=3, resume=False).run_table(50, quiet)
    again = SearchStudy(path, ROOMY, seed=3, resume=True)
    before = [one.architecture for one in again.candidates("table")]
    again.run_table(90, quiet)
    after = [one.architecture for one in again.candidates("table")]
    assert after[: len(before)] == before and len(after) > len(before)

    again.run_plan(2, quiet, workers=1)
    planned = again.candidates("plan")
    assert len({one.architecture.key for one in planned}) == len(planned) == 2
    again.run_plan(2, quiet, workers=1)
    assert again.candidates("plan") == planned

    write_csv(tmp_path / "candidates.csv", again)
    rows = list(csv.DictReader((tmp_path / "candidates.csv").open()))
    assert len(rows) == len(after) + 2
    assert {row["stage"] for row in rows} == {"table", "plan"}
    write_page(tmp_path / "pareto.html", again, [])
    page = (tmp_path / "pareto.html").read_text()
    assert "MobileNet v1, by table" in page
    assert '<html lang="en"><head><title>Architectures for' in page


def test_a_study_is_only_continued_by_the_search_that_began_it(tmp_path: Path) -> None:
    path = tmp_path / "search.journal"
    with pytest.raises(DataError, match="there is no search"):
        SearchStudy(path, LIMITS, seed=1, resume=True)
    SearchStudy(path, LIMITS, seed=1, resume=False)
    with pytest.raises(DataError, match="holds a search already") as caught:
        SearchStudy(path, LIMITS, seed=1, resume=False)
    assert "--resume" in caught.value.hint
    with pytest.raises(DataError, match="another seed"):
        SearchStudy(path, LIMITS, seed=2, resume=True)


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "search.journal"
    path.write_text("hello\nworld\n")
    with pytest.raises(DataError, match="no search's file"):
        SearchStudy(path, LIMITS, seed=1, resume=True)
    with pytest.raises(DataError, match="cannot be written"):
        SearchStudy(tmp_path / "missing" / "search.journal", LIMITS, seed=1, resume=False)


def test_mobilenet_is_scaled_to_the_limits() -> None:
    gray, colour = mobilenets_within(ROOMY, quiet)
    assert not gray.broken and gray.architecture.channels == 1
    assert not colour.broken and colour.architecture.channels == 3
    assert mobilenets_within(Limits("nano33ble", 64_000_000, 1000, 1000, 1000), quiet) == []
