"""The benchmark's host side: its data, its figures, devices that answer otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vww_deploy.errors import DataError, LinkError
from vww_deploy.link.transport import Line
from vww_deploy.session import mlperf


class Device:
    """Answers each command with the next of its texts."""

    name = "scripted"
    line = Line()

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.sent = b""

    def read(self, timeout_s: float) -> bytes:
        return self._answers.pop(0) if self._answers else b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def reopen(self) -> None:
        """Never needed."""

    def close(self) -> None:
        """Never needed."""


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlperf, "ANSWER_TIMEOUT_S", 0.01)
    monkeypatch.setattr(mlperf, "INFER_TIMEOUT_S", 0.01)
    monkeypatch.setattr(mlperf.Dut.command, "__defaults__", (0.01,))


def test_lines_end_with_lf_and_carriage_returns_and_nuls_do_not_count() -> None:
    device = Device(b"m-name-d\0ut-[x", b" 1]\r\r\n\nm-ready\r\nm-profile-[p]\nm-model-[vww01]\nm-ready\n")
    assert mlperf.Dut(device).identify() == "x 1"
    assert device.sent == b"name%profile%"


def test_what_somebody_left_in_the_devices_line_is_got_over() -> None:
    answer = (
        b"e-[Unknown command: h|name]\nm-ready\n"
        + b"m-name-dut-[x 1]\nm-ready\nm-profile-[p]\nm-model-[vww01]\nm-ready\n"
    )
    assert mlperf.Dut(Device(answer)).identify() == "x 1"


def test_an_inference_takes_the_first_and_the_last_time() -> None:
    answer = b"m-lap-us-100\nm-lap-us-150\nm-lap-us-300\nm-results-[0.25,0.75,]\nm-ready\n"
    window = mlperf.Dut(Device(answer)).infer(4, 0)
    assert window == mlperf.PerformanceWindow(4, 200, (0.25, 0.75))
    assert window.throughput == 20_000


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"m-ready\n",
        b"m-lap-us-100\nm-results-[0.2,0.8]\nm-ready\n",
        b"m-lap-us-200\nm-lap-us-100\nm-results-[0.2,0.8]\nm-ready\n",
        b"m-lap-us-100\nm-lap-us-200\nm-results-[0.2,x]\nm-ready\n",
        b"m-lap-us-100\nm-lap-us-200\nm-ready\n",
        b"e-[no]\nm-ready\n",
        b"x" * 70_000,
        b"x\n" * 70_000,
        b"\xff" * 1000 + b"\nm-ready\n",
    ],
)
def test_other_answers_are_errors(answer: bytes) -> None:
    with pytest.raises(LinkError):
        mlperf.Dut(Device(answer)).infer(1, 0)


def test_another_benchmark_is_refused() -> None:
    with pytest.raises(LinkError, match="kws01"):
        mlperf.Dut(Device(b"m-name-dut-[x]\nm-ready\nm-profile-[p]\nm-model-[kws01]\nm-ready\n")).identify()


def test_a_picture_goes_in_chunks_of_31_bytes() -> None:
    device = Device(b"m-[Expecting 40 bytes]\nm-ready\nm-ready\nm-load-done\nm-ready\n")
    mlperf.Dut(device).load(bytes(40))
    assert device.sent == b"db load 40%db " + b"00" * 31 + b"%db " + b"00" * 9 + b"%"


def folder(path: Path, table: str) -> Path:
    (path / "y_labels.csv").write_text(table)
    (path / "a.bin").write_bytes(bytes([0, 127, 128, 255]))
    (path / "empty.bin").write_bytes(b"")
    return path


def test_samples(tmp_path: Path) -> None:
    data = folder(tmp_path, "a.bin,2,1\na.bin,2,0\n\n")
    assert [sample.truth for sample in mlperf.load_samples(data)] == [1, 0]
    assert len(mlperf.load_samples(data, 1)) == 1
    assert mlperf.load_samples(data)[0].read() == bytes([0, 127, 128, 255])
    assert mlperf.load_samples(data, signed=True)[0].read() == bytes([128, 255, 0, 127])


@pytest.mark.parametrize(
    "table",
    [
        *("", "\0", "a.bin\n", "a.bin,2,person\n", "a.bin,2,7\n", "missing.bin,2,1\n", "empty.bin,2,1\n"),
        *("../x.bin,2,1\n", "a\0.bin,2,1\n", "circle.bin,2,1\n", "pipe.bin,2,1\n", "large.bin,2,1\n"),
    ],
)
def test_data_that_is_none_is_said(tmp_path: Path, table: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "x.bin").write_bytes(b"secret")
    (tmp_path / "data" / "circle.bin").symlink_to("circle.bin")
    (tmp_path / "data" / "large.bin").write_bytes(bytes((1 << 20) + 1))
    os.mkfifo(tmp_path / "data" / "pipe.bin")
    with pytest.raises(DataError):
        mlperf.load_samples(folder(tmp_path / "data", table))


def test_a_folder_without_labels_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"y_labels\.csv"):
        mlperf.load_samples(tmp_path)
    os.mkfifo(tmp_path / "y_labels.csv")
    with pytest.raises(DataError, match="no file"):
        mlperf.load_samples(tmp_path)


def test_samples_are_read_when_they_are_due(tmp_path: Path) -> None:
    samples = mlperf.load_samples(folder(tmp_path, "a.bin,2,1\n" * 500))
    (tmp_path / "a.bin").write_bytes(b"changed")
    assert samples[499].read() == b"changed"
    (tmp_path / "a.bin").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        samples[0].read()


@pytest.mark.parametrize(
    ("truths", "limit", "taken"),
    [
        ("00001111", 4, "0011"),
        ("00001111", 3, "001"),
        ("01010101", 4, "0101"),
        ("0000001", 4, "0001"),
        ("111", 2, "11"),
        ("0001112", 4, "0012"),
    ],
)
def test_a_limit_draws_from_each_class(tmp_path: Path, truths: str, limit: int, taken: str) -> None:
    data = folder(tmp_path, "\n".join(f"a.bin,3,{truth}" for truth in truths))
    assert "".join(str(sample.truth) for sample in mlperf.load_samples(data, limit)) == taken


def test_figures() -> None:
    windows = tuple(mlperf.PerformanceWindow(20, us, ()) for us in (4000, 2000, 3000))
    performance = mlperf.Performance(windows)
    assert performance.median.throughput == pytest.approx(20 * 1e6 / 3000)
    assert performance.median.latency_us == 150
    assert performance.median.instructions == 150_000  # on the virtual board, whose microsecond is a thousand of them
    truths = (1, 0, 0, 1)
    two = mlperf.MlperfAccuracy(((0.1, 0.9), (0.5, 0.5), (0.4, 0.6), (0.9, 0.1)), truths)
    one = mlperf.MlperfAccuracy(((0.9,), (0.5,), (0.6,), (0.1,)), truths)
    logits = mlperf.MlperfAccuracy(((-1.1, 1.1), (2.0, 2.0), (0.0, 0.4), (-3.0, -5.2)), truths)
    sigmoid = mlperf.MlperfAccuracy(((2.2,), (0.0,), (0.4,), (-2.2,)), truths)
    for accuracy in (two, one, logits, sigmoid):
        assert accuracy.top1_percent == 50
        assert accuracy.auc == pytest.approx(0.5)
    assert mlperf.MlperfAccuracy(((0.1, 0.9),), (1,)).auc is None
    three = mlperf.MlperfAccuracy(((0.2, 0.5, 0.3), (0.1, 0.1, 0.8)), (1, 0))
    assert (three.top1_percent, three.auc) == (50, None)


def accuracy_of(*results: str, truth: int = 1) -> mlperf.MlperfAccuracy:
    answers = [
        answer
        for one in results
        for answer in (
            b"m-ready\n",
            b"m-load-done\nm-ready\n",
            f"m-lap-us-1\nm-lap-us-2\nm-results-[{one}]\nm-ready\n".encode(),
        )
    ]
    samples = [mlperf.Sample(f"{i}.bin", lambda: b"0", truth) for i in range(len(results))]
    return mlperf.measure_accuracy(mlperf.Dut(Device(*answers)), samples)


def test_a_device_may_have_one_output_or_several() -> None:
    assert accuracy_of("0.9", "0.2").top1_percent == 50
    assert accuracy_of("0.1,0.7,0.2", "-1,-2,-3").outputs[1] == (-1, -2, -3)
    assert accuracy_of("0.1,0.7,0.2", truth=2).top1_percent == 0


@pytest.mark.parametrize("results", [[""], ["0.5,0.5", "0.5"], ["nan,1"]])
def test_results_that_are_none_are_said(results: list[str]) -> None:
    with pytest.raises(LinkError):
        accuracy_of(*results)
    with pytest.raises(DataError, match="class 2"):
        accuracy_of("0.5,0.5", truth=2)


@settings(derandomize=True, database=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1)), min_size=2, max_size=30))
def test_the_area_is_the_chance_of_the_right_order(pairs: list[tuple[int, int]]) -> None:
    scores = [score for score, _ in pairs]
    truths = [truth for _, truth in pairs]
    ones = [score for score, truth in pairs if truth]
    zeros = [score for score, truth in pairs if not truth]
    area = mlperf.area_under_curve(scores, truths)
    if not ones or not zeros:
        assert area is None
        return
    wins = sum((one > zero) + 0.5 * (one == zero) for one in ones for zero in zeros)
    assert area == pytest.approx(wins / len(ones) / len(zeros))
