"""The arithmetic against the published table, against Keras, and against the compiler."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vww_deploy.boards.catalogue import get_board, load_boards
from vww_deploy.cli import build
from vww_deploy.cli import costs as command
from vww_deploy.compiler import compile_model
from vww_deploy.compiler.targets.cortex_m4 import CYCLES_PER_INSTRUCTION
from vww_deploy.errors import DataError
from vww_deploy.graph import costs
from vww_deploy.graph.synthetic import mobilenet_v1_graph


@pytest.mark.parametrize("row", costs.PUBLISHED, ids=lambda row: f"{row.depth_multiplier:g}-{row.size}")
def test_the_published_table(row: costs.Published) -> None:
    network = costs.mobilenet_v1(row.depth_multiplier, row.size, row.size, 3, 1000)
    if row.depth_multiplier == 0.75:  # the print is 2.6 % below the network that its own table of layers describes
        assert network.macs / 1e6 == pytest.approx(row.macs_m, rel=0.03)
        assert network.macs / 1e6 > row.macs_m * 1.02
    else:
        assert network.macs / 1e6 == pytest.approx(row.macs_m, abs=0.51)
    slip = row.parameters_m == 4.14
    assert network.trained_parameters / 1e6 == pytest.approx(4.24 if slip else row.parameters_m, abs=0.01)


def test_the_ratio_of_separable_to_standard() -> None:
    standard, separable = costs.standard_macs(3, 64, 128, 28), costs.separable_macs(3, 64, 128, 28)
    assert separable / standard == pytest.approx(costs.separable_ratio(3, 128))
    assert costs.separable_macs(3, 64, 128, 28, 0.5) == 9 * 32 * 28 * 28 + 32 * 64 * 28 * 28


@pytest.mark.parametrize(("alpha", "height", "width", "channels"), [(0.25, 48, 48, 1), (0.13, 40, 33, 3)])
def test_the_synthetic_graph_has_the_same_costs_and_compiles(
    alpha: float, height: int, width: int, channels: int
) -> None:
    network = costs.mobilenet_v1(alpha, height, width, channels)
    graph = mobilenet_v1_graph(network)
    assert graph.macs == network.macs
    assert graph.parameters == network.parameters
    report = compile_model(graph).report()
    assert report.macs == network.macs
    assert report.ram_bytes >= height * width * channels


@pytest.mark.train
def test_keras_builds_the_same_network() -> None:
    pytest.importorskip("tensorflow")
    from vww_deploy.training.mobilenet import build_mobilenet_v1

    network = costs.mobilenet_v1(0.5, 64, 64, 3, 10)
    model = build_mobilenet_v1(0.5, (64, 64, 3), 10)
    assert sum(int(w.size) for w in model.get_weights()) == network.trained_parameters + sum(
        2 * layer.shape[2] for layer in network.layers if layer.name != "classes"
    )
    for layer in network.layers[:-1]:
        assert tuple(model.get_layer(layer.name).output.shape[1:]) == layer.shape


@pytest.mark.parametrize(
    "values",
    [
        (0.0, 96, 96, 1, 2),
        (float("nan"), 96, 96, 1, 2),
        (float("inf"), 96, 96, 1, 2),
        (0.25, 0, 96, 1, 2),
        (0.25, 96, 96, 0, 2),
        (1, 8, 8, 1, 0),
    ],
)
def test_no_network(values: tuple[float, int, int, int, int]) -> None:
    with pytest.raises(DataError, match="no network"):
        costs.mobilenet_v1(*values)


@pytest.fixture
def unplanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published networks are large: planning all eight takes long, and is not what is looked at."""
    monkeypatch.setattr(command, "_row", lambda network: command._Row(network, 1024, 2048, 512, 1, {}, {}))


@pytest.mark.usefixtures("unplanned")
def test_the_command_says_where_the_print_is_wrong_and_draws_it(tmp_path: Path) -> None:
    plot = tmp_path / "costs.html"
    result = CliRunner().invoke(build(), ["costs", "--published", "--plot", str(plot)])
    assert result.exit_code == 0
    assert "the print says 4.14" in " ".join(result.output.split())
    assert "the print says 317" in " ".join(result.output.split())
    places = [float(x) for x in re.findall(r'"textangle":-90,[^{}]*"x":([0-9.]+)', plot.read_text())]
    assert len(places) >= 8  # the boards' limits of RAM and flash
    assert all(1 < x < 5 for x in places), "10 KB to 100 MB, on logarithmic axes"
    assert '<html lang="en"><head><title>MobileNet v1' in plot.read_text()


def test_the_names_of_boards_do_not_lie_on_each_other() -> None:
    notes: list[command._Note] = []
    for x in (2.0, 2.01, 2.02, 2.09, 2.2):
        notes.append(command._placed(x, "nano_rp2040_connect", notes))
    for i, one in enumerate(notes):
        for other in notes[:i]:
            assert one.x - other.x > 0.06 or one.low >= other.high or one.high <= other.low
    assert [note.low for note in (notes[0], notes[-1])] == [0, 0]


def test_a_plot_is_a_page(tmp_path: Path) -> None:
    result = CliRunner().invoke(build(), ["costs", "--plot", str(tmp_path / "costs.png")])
    assert result.exit_code == 2
    assert "name it something.html" in result.output


@pytest.mark.usefixtures("unplanned")
def test_the_plot_shows_the_networks_that_were_asked_for(tmp_path: Path) -> None:
    plot = tmp_path / "costs.html"
    arguments = ["costs", "-a", "0.2", "-s", "48", "--channels", "3", "--classes", "4", "--plot", str(plot), "--json"]
    (network,) = json.loads(CliRunner().invoke(build(), arguments).stdout)["networks"]
    assert network["macs"] == costs.mobilenet_v1(0.2, 48, 48, 3, 4).macs
    assert "0.2, 48x48x3" in plot.read_text()
    assert str(network["macs"] / 1e6) in plot.read_text()


@pytest.mark.parametrize("own", [("-a", "0.5"), ("-s", "64"), ("--channels", "1"), ("--classes", "2")])
def test_the_published_networks_are_what_they_are(own: tuple[str, str]) -> None:
    result = CliRunner().invoke(build(), ["costs", "--published", *own])
    assert result.exit_code == 2
    assert "leave out" in result.output


@pytest.mark.usefixtures("unplanned")
def test_the_published_table_as_json() -> None:
    result = CliRunner().invoke(build(), ["costs", "--published", "--json"])
    networks = json.loads(result.stdout)["networks"]
    assert [one["printed"]["parameters_m"] for one in networks] == [one.parameters_m for one in costs.PUBLISHED]
    wrong = [bool(one["printed"]["differs"]) for one in networks]
    assert wrong == [False, True, True, True, False, False, False, False]


def test_the_command_gives_json() -> None:
    result = CliRunner().invoke(build(), ["costs", "-a", "0.25", "-s", "48", "--json"])
    (network,) = json.loads(result.stdout)["networks"]
    assert network["macs"] == costs.mobilenet_v1(0.25, 48, 48).macs
    assert network["fits"]["nano33ble"]
    assert 0 < network["ram_bytes"] < 20_000


@pytest.mark.parametrize(
    ("alpha", "size", "channels", "counted"),
    [(0.25, 96, 1, 8_980_477), (0.25, 96, 3, 9_500_020), (0.125, 96, 1, 3_362_657), (0.25, 48, 1, 2_634_562)],
)
def test_estimated_instructions(alpha: float, size: int, channels: int, counted: int) -> None:
    """Against what ``vww-deploy profile`` counted for these networks."""
    report = compile_model(mobilenet_v1_graph(costs.mobilenet_v1(alpha, size, size, channels))).report()
    assert report.instructions == pytest.approx(counted, rel=0.03)
    assert report.instructions == sum(layer.instructions for layer in report.layers)
    # The passes may leave out some of the file's.
    assert 0.98 * report.parameters < sum(layer.parameters for layer in report.layers) <= report.parameters


def test_latency_is_told_for_every_board_that_has_time() -> None:
    assert get_board("nano33ble").estimated_ms(64_000) == pytest.approx(CYCLES_PER_INSTRUCTION)
    assert all(board.estimated_ms(1) is not None for board in load_boards() if not board.counts_instructions)
    assert get_board("virtual").estimated_ms(168_000) is None
