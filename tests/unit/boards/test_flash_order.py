"""In which order a real board is flashed, and that it is asked afterwards; ports, PlatformIO and board are played."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.reference_device import described
from vww_deploy.boards import bootloader, platformio
from vww_deploy.boards import flash as flash_module
from vww_deploy.boards.bootloader import FlashTarget, pick
from vww_deploy.boards.catalogue import Board, get_board
from vww_deploy.boards.flash import flash
from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.errors import BoardError, BuildError, LinkError, ProtocolMismatch
from vww_deploy.graph.ir import Graph
from vww_deploy.graph.model import shipped_models

pytestmark = pytest.mark.skipif(not shipped_models(), reason="no model is shipped yet")


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    from vww_deploy.resources import models_dir

    return compile_model(models_dir() / "person_96_gray.tflite")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was done, in order, on a machine where everything goes well."""
    done: list[tuple[Any, ...]] = []

    def step(name: str, result: Any, *positions: int) -> Callable[..., Any]:
        def play(*arguments: Any, **keywords: Any) -> Any:
            ports = [argument.port for argument in arguments if isinstance(argument, FlashTarget)]
            ports += [keywords["port"]] if "port" in keywords else []
            done.append((name, *(arguments[i] for i in positions), *ports))
            return result

        return play

    monkeypatch.setattr(bootloader, "pick", lambda board, port: FlashTarget(board, port, False, None, frozenset()))

    @contextlib.contextmanager
    def alone(_: Board) -> Iterator[None]:
        done.append(("lock",))
        yield
        done.append(("unlock",))

    monkeypatch.setattr(bootloader, "alone", alone)
    monkeypatch.setattr(platformio, "build", step("build", "image"))
    monkeypatch.setattr(platformio, "upload", step("upload", "image"))
    monkeypatch.setattr(bootloader, "enter", step("enter", "/dev/ttyACM1"))
    monkeypatch.setattr(bootloader, "wait_for_application", step("wait", "/dev/ttyACM2"))
    monkeypatch.setattr(flash_module, "open_transport", step("open", None, 0))
    return done


def answering(monkeypatch: pytest.MonkeyPatch, board: str, graph: Graph, model_sha256: str | None = None) -> None:
    """A board that says it is ``board`` and runs the model of that hash."""

    class Connected:
        port = "/dev/ttyACM2"
        info = SimpleNamespace(**described(graph) | {"board": board, "model_sha256": model_sha256 or graph.sha256})

        def __enter__(self) -> Connected:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("vww_deploy.boards.flash.Device.connect", lambda _: Connected())


def test_build_then_bootloader_then_upload_then_ask(
    compiled: Compiled, calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "nano33ble", compiled.graph)
    flashed = flash(compiled, "nano33ble", "/dev/ttyACM0")
    assert calls == [
        ("build",),
        ("lock",),
        ("enter", "/dev/ttyACM0"),
        ("upload", "/dev/ttyACM1"),
        ("wait", "/dev/ttyACM0"),
        ("unlock",),
        ("open", "/dev/ttyACM2"),
    ]
    assert flashed.port == "/dev/ttyACM2"


def test_what_does_not_build_leaves_the_board_alone(
    compiled: Compiled, calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise BuildError("no")

    monkeypatch.setattr(platformio, "build", fail)
    with pytest.raises(BuildError):
        flash(compiled, "nano33ble")
    assert calls == []


def test_another_board_that_answers(
    compiled: Compiled, calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "portenta_h7_m7", compiled.graph)
    with pytest.raises(LinkError, match="for portenta_h7_m7, not nano33ble") as caught:
        flash(compiled, "nano33ble")
    assert "--port" in caught.value.hint


def test_a_board_that_runs_another_model_afterwards(
    compiled: Compiled, calls: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "nano33ble", compiled.graph, "01" * 32)
    said = r"ACM2: the board runs an unknown model \(010101010101\), not person_96_gray"
    with pytest.raises(ProtocolMismatch, match=said) as caught:
        flash(compiled, "nano33ble")
    assert "vww-deploy flash MODEL --board nano33ble" in caught.value.hint


@pytest.mark.parametrize(("port", "said"), [(None, "no Arduino Nano 33 BLE"), ("/dev/ttyACM99", "no such port")])
def test_a_board_that_is_not_there_is_said_before_the_build(
    compiled: Compiled,
    calls: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    port: str | None,
    said: str,
) -> None:
    monkeypatch.setattr(bootloader, "pick", pick)
    monkeypatch.setattr(bootloader.ThisMachine, "ports", lambda _: [])
    with pytest.raises(BoardError, match=said):
        flash(compiled, "nano33ble", port)
    assert calls == []


def test_a_board_that_waits_in_its_bootloader_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = bootloader.Port("/dev/ttyACM3", (0x2341, 0x005A), None)
    monkeypatch.setattr(bootloader.ThisMachine, "ports", lambda _: [waiting])
    assert pick(get_board("nano33ble"), None).in_bootloader


def test_a_board_whose_bootloader_is_no_port_is_left_to_platformio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootloader.ThisMachine, "ports", lambda _: [])
    assert pick(get_board("feather_f405"), None).port is None
