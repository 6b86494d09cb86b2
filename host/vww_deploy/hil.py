"""Hardware-in-the-loop tests: a board that tests share, and assertions about it that say what is wrong (docs/hil.md).

The pytest plugin makes these; other test runners can use them as they are.
"""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
from PIL import Image

from vww_deploy.boards import firmware, flash
from vww_deploy.boards.catalogue import Board
from vww_deploy.boards.drivers import BoardDriver, driver_for
from vww_deploy.boards.running import checked
from vww_deploy.compiler import Compiled, compile_model
from vww_deploy.compiler.report import Report
from vww_deploy.errors import BoardError, LinkError, VwwError
from vww_deploy.graph.layer_names import short_name
from vww_deploy.graph.model import Model
from vww_deploy.link.channel import DEFAULT_TIMEOUTS, Timeouts
from vww_deploy.link.device import Device
from vww_deploy.link.inference import Inference
from vww_deploy.link.info import DeviceInfo
from vww_deploy.link.transport import Transport, open_transport
from vww_deploy.session.latency import COUNTED, ESTIMATE_BOARD, estimate
from vww_deploy.session.verify import InputCheck, verify
from vww_deploy.spread import Spread

Int8Array = npt.NDArray[np.int8]

# Lines of console text that are kept for a failing test.
_CONSOLE_LINES: Final = 500


@dataclass(frozen=True)
class Failure:
    """A picture that went wrong, for the report."""

    name: str
    text: str
    thumbnail: str
    """PNG, as a data URL."""


class HilError(AssertionError):
    """An assertion about a board; ``failures`` are its pictures."""

    def __init__(self, message: str, failures: Sequence[Failure] = ()) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


class BoardDevice(Device):
    """The client, with a record of every inference that a test made."""

    def __init__(self, transport: Transport, *, reconnect: bool = True, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        super().__init__(transport, reconnect=reconnect, timeouts=timeouts)
        self.inferences: list[Inference] = []

    def infer_many(self, images: Iterable[Int8Array]) -> Iterator[Inference]:
        for result in super().infer_many(images):
            self.inferences.append(result)
            yield result

    @property
    def retries(self) -> int:
        """Messages that had to be sent again."""
        return self.link.retries


@runtime_checkable
class FleetClient(Protocol):
    """What stands for a board's client where a test's inputs go to the boards of a fleet."""

    @property
    def info(self) -> DeviceInfo: ...
    @property
    def inferences(self) -> list[Inference]: ...
    def infer_many(self, images: Iterable[Int8Array]) -> Iterator[Inference]: ...
    def check_layers(self, name: str, image: Int8Array) -> InputCheck: ...


class Tested(Protocol):
    """The board, or the boards of a fleet, as assertions need them."""

    @property
    def model(self) -> Model: ...
    @property
    def compiled(self) -> Compiled: ...
    @property
    def report(self) -> Report: ...


@dataclass
class BoardUnderTest:
    """A flashed board. Made by :meth:`flashed`; :meth:`close` powers a virtual one off."""

    driver: BoardDriver
    model: Model
    compiled: Compiled
    port: str
    console: list[str] = field(default_factory=list)
    """The last lines of text that the board printed."""
    dead: str = ""
    """Why the board is not asked any more; empty while it answers."""

    def __post_init__(self) -> None:
        self._locate = self.driver.follow(self.port)

    @classmethod
    def flashed(cls, board: Board, model: Model, *, port: str | None = None, instance: str = "hil") -> Self:
        """Puts ``model`` on ``board``; what runs there is checked whenever it is connected.

        Args:
            port: of a real board; found by its USB ids when None. A virtual one has its own.
            instance: a virtual board's own name, so that several run side by side.

        Raises:
            VwwError: as :func:`vww_deploy.boards.flash.flash` has them.
        """
        compiled = compile_model(model.path)
        driver = driver_for(board)
        if not driver.emulated:
            return cls(driver, model, compiled, flash.flash_through(driver, compiled, port).port)
        flash.check_fits(compiled, board)
        # One build for all the boards of all the processes that share the tests.
        image = firmware.virtual_image(firmware.firmware_of(compiled, board), board, lambda: compiled)
        driver = driver_for(board, instance)
        driver.start(image)
        return cls(driver, model, compiled, driver.locate())

    @property
    def board(self) -> Board:
        """Its entry in the catalogue."""
        return self.driver.board

    @property
    def report(self) -> Report:
        """RAM, flash and layers of the compiled model."""
        return self.compiled.report()

    def restart(self) -> None:
        """Resets the board, through the link or, where that fails, by the virtual board's button.

        Raises:
            LinkError: it does not answer; from then on it is :attr:`dead`, and every further try fails at once.
        """
        if self.dead:
            raise LinkError(f"{self.board.name} stopped answering earlier: {self.dead}")
        try:
            try:
                self._reset()
            except LinkError:
                self.press_reset()
                self._reset()
        except (LinkError, BoardError) as error:
            self.dead = error.message
            raise

    def connect(self) -> BoardDevice:
        """The board's client; what the board prints goes to :attr:`console`."""
        self.port = self._locate() or self.port
        transport = open_transport(self.port, self.board.baudrate, self._locate)
        return checked(BoardDevice.connect(transport, on_console=self._print), self.model.graph)

    @property
    def emulator_log(self) -> list[str]:
        """The last lines that a virtual board's emulator printed; a real one has none."""
        return self.driver.log()[-_CONSOLE_LINES:]

    def press_reset(self) -> None:
        """Restarts a virtual board from outside; a real one has nobody to press its button."""
        self.driver.press_reset()

    def close(self) -> None:
        """Powers a virtual board off and removes what it leaves behind."""
        self.driver.power_off()

    def _reset(self) -> None:
        with self.connect() as device:
            device.reset()
            self.port = device.port

    def _print(self, line: str) -> None:
        self.console.append(line)
        del self.console[:-_CONSOLE_LINES]


def assert_bit_exact(
    device: Device | FleetClient, board: Tested, pictures: Mapping[str, Int8Array], *, layers: bool = True
) -> None:
    """Every picture's output on the device equals the host reference's; a failure names picture and first layer.

    Args:
        pictures: int8 inputs ``[height, width, channels]`` by name.
        layers: for a picture that differs, ask the device for its layers.

    Raises:
        HilError: a picture differs, or there is none.
    """
    __tracebackhide__ = True  # a failure shows the test's own line
    if not pictures:
        raise HilError("no picture was given to compare")
    failures = []
    results = device.infer_many(pictures.values())
    for (name, picture), result in zip(pictures.items(), results, strict=True):
        expected = board.model.reference.run(picture).reshape(-1).tolist()
        if list(result.outputs) != expected:
            text = f"{list(result.outputs)} instead of {expected}"
            failures.append(Failure(name, text, thumbnail(picture)))
    if not failures:
        return
    name = failures[0].name
    where = _first_layer(device, board, name, pictures[name]) if layers else ""
    listed = "\n".join(f"  {failure.name}: {failure.text}" for failure in failures[:10])
    raise HilError(f"{len(failures)} of {len(pictures)} pictures differ from the reference{where}\n{listed}", failures)


def _first_layer(device: Device | FleetClient, board: Tested, name: str, picture: Int8Array) -> str:
    """Where the picture goes wrong, as the rest of a sentence."""
    try:
        if isinstance(device, FleetClient):
            check = device.check_layers(name, picture)
        else:
            (check,) = verify(device, board.compiled, [(name, picture)])
    except VwwError as error:  # the pictures that differ are still to be reported
        return f"; which layer is to blame cannot be found out: {error.message}"
    if not check.differing:
        return ""
    layer = check.differing[0]
    return (
        f"; the first layer of {name} that differs is {layer.index}, {layer.kind} {short_name(layer.name, layer.kind)}"
    )


def assert_latency(
    device: BoardDevice | FleetClient,
    *,
    max_us: int | None = None,
    max_ticks: int | None = None,
    max_instructions: int | None = None,
    estimate_for: str = ESTIMATE_BOARD,
) -> None:
    """The median of the inferences made so far is within each budget that is given.

    Args:
        max_us: microseconds. The virtual board measures no time: there the estimate for ``estimate_for`` is judged.
        max_ticks: of the device's own clock.
        max_instructions: the same on a board that counts instructions; any other has no such figure, and fails.
        estimate_for: a board of the catalogue.

    Raises:
        HilError: a budget is exceeded, or there is no budget, no inference or no such figure.
        BoardError: there is no board of that name.
    """
    __tracebackhide__ = True  # a failure shows the test's own line
    if max_us is None and max_ticks is None and max_instructions is None:
        raise HilError("no budget was given: max_us, max_ticks or max_instructions")
    made, clock = device.inferences, device.info.clock
    if not made:
        raise HilError("no inference was made yet whose latency could be judged")
    counts = [inference.ticks for inference in made]
    if max_us is not None:
        times = [inference.latency_us for inference in made if inference.latency_us is not None]
        if len(times) == len(made):
            _judge("us", max_us, times)
        else:
            estimates = [found.latency_us for count in counts if (found := estimate(count, estimate_for)) is not None]
            if not estimates:
                raise HilError(f"there is no estimate for {estimate_for}: give max_instructions")
            _judge(f"us (an estimate for {estimate_for})", max_us, estimates)
    if max_ticks is not None:
        _judge(clock, max_ticks, counts)
    if max_instructions is not None:
        if clock != COUNTED:
            raise HilError(f"the board counts {clock}, not instructions: give max_us or max_ticks")
        _judge(clock, max_instructions, counts)


def _judge(unit: str, limit: int, values: Sequence[int]) -> None:
    __tracebackhide__ = True
    spread = Spread.of(values)
    if spread.median > limit:
        raise HilError(
            f"an inference takes {spread.median:,} {unit} (median of {len(values)}), {spread.median - limit:,} over "
            f"the budget of {limit:,}; least {spread.minimum:,}, most {spread.maximum:,}"
        )


def assert_ram(board: Tested, *, max_bytes: int) -> None:
    """The model needs no more RAM than that: its plan and stack, without the framework.

    Raises:
        HilError: it needs more.
    """
    __tracebackhide__ = True  # a failure shows the test's own line
    report = board.report
    needed = report.ram_bytes + report.stack_bytes
    if needed > max_bytes:
        raise HilError(
            f"{report.name} needs {needed:,} bytes of RAM ({report.stack_bytes:,} of it stack), "
            f"{needed - max_bytes:,} over the budget of {max_bytes:,}"
        )


def assert_accuracy(
    device: Device | FleetClient, board: Tested, samples: Sequence[tuple[str, Int8Array, bool]], *, at_least: float
) -> None:
    """At least that part (0 to 1) of the samples is classified correctly: name, int8 input, whether a person (or
    what else the positive class is) is there.

    Raises:
        HilError: fewer are, or there is no sample.
    """
    __tracebackhide__ = True  # a failure shows the test's own line
    if not samples:
        raise HilError("no sample was given to judge by")
    wrong = []
    results = device.infer_many([picture for _, picture, _ in samples])
    threshold, outputs = board.model.card.threshold, board.model.outputs
    if outputs.person is None:
        names = ", ".join(outputs.labels)
        raise HilError(
            f"nobody knows which of the outputs is a person: {names}; pytest's --vww-person-label NAME says it, "
            "--vww-labels FILE names them all"
        )
    for (name, picture, person), result in zip(samples, results, strict=True):
        p_person = outputs.p_person(np.array(result.outputs, np.int8))
        if (p_person >= threshold) != person:
            truth = outputs.pair[person]
            wrong.append(Failure(name, f"{outputs.chance} {p_person:.3f}, but it shows {truth}", thumbnail(picture)))
    accuracy = 1 - len(wrong) / len(samples)
    if accuracy < at_least:
        listed = "\n".join(f"  {failure.name}: {failure.text}" for failure in wrong[:10])
        raise HilError(
            f"{accuracy:.1%} of {len(samples)} pictures are classified correctly, not {at_least:.1%}; wrong:\n{listed}",
            wrong,
        )


def thumbnail(picture: Int8Array) -> str:
    """An int8 input as a PNG in a data URL."""
    pixels = (picture.astype(np.int16) + 128).astype(np.uint8)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels[:, :, :3])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


@contextlib.contextmanager
def board_under_test(
    board: Board, model: Model, *, port: str | None = None, instance: str = "hil"
) -> Iterator[BoardUnderTest]:
    """:meth:`BoardUnderTest.flashed`, closed at the end."""
    under_test = BoardUnderTest.flashed(board, model, port=port, instance=instance)
    try:
        yield under_test
    finally:
        under_test.close()
