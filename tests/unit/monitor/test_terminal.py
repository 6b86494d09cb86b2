"""The terminal view on a pseudo-terminal, and what --plain and --json print."""

from __future__ import annotations

import dataclasses
import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.support import ROOT
from tests.support.generated_source import CUPS, PICTURES, PLACES, GeneratedSource
from tests.support.json_shapes import assert_documented, json_page
from vww_deploy.link.inference import Inference
from vww_deploy.monitor.graphics import Graphics
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.monitor.screen import draw
from vww_deploy.monitor.state import MonitorView, State
from vww_deploy.monitor.terminal import Painter
from vww_deploy.monitor.text import milliseconds, printable, rate, sparkline
from vww_deploy.runs.recording import Recorder
from vww_deploy.session.events import Connection
from vww_deploy.session.source import Control

PROGRAM = """
import sys
from pathlib import Path
from tests.support.generated_source import GeneratedSource
from tests.support import ROOT
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.monitor.terminal import watch
source = GeneratedSource(fps=10, console="\\x1b]0;hacked\\x07 {} \\x1b[31m[bold]")
with Monitor(source, folder=Path(sys.argv[1])) as monitor:
    watch(monitor)
"""


class Terminal:
    """A terminal of 80 x 24 with a program in it; ``answer`` is what it says when asked for its abilities."""

    def __init__(self, command: list[str], answer: bytes = b"\x1b[?62;22c", colour: str = "truecolor") -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 640, 384))
        env = {
            name: value for name, value in os.environ.items() if name not in ("TMUX", "COLUMNS", "LINES", "NO_COLOR")
        }
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**env, "TERM": "xterm-256color", "COLORTERM": colour},
        )
        self.slave = slave
        self.seen = b""
        self._answer = answer

    def until(self, condition: Callable[[bytes], object], timeout_s: float = 30) -> bytes:
        """Everything seen since the last call, when the condition holds for it."""
        end = time.monotonic() + timeout_s
        while not condition(self.seen):
            assert time.monotonic() < end, self.seen[-3000:]
            if select.select([self.master], [], [], 0.1)[0]:
                data = os.read(self.master, 65536)
                if b"\x1b[c" in data and self._answer:
                    os.write(self.master, self._answer)
                self.seen += data
        seen, self.seen = self.seen, b""
        return seen

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(tmp_path: Path) -> object:
    opened = Terminal([sys.executable, "-c", PROGRAM, str(tmp_path)])
    yield opened
    opened.close()


def test_keys_do_what_they_say_and_the_terminal_is_left_as_it_was(terminal: Terminal, tmp_path: Path) -> None:
    seen = terminal.until(lambda seen: b"P(person)" in seen and "▀".encode() in seen)
    assert b"\x1b[?1049h" in seen
    terminal.press(b"]")
    terminal.until(lambda seen: b"0.55" in seen)
    terminal.press(b" ")
    terminal.until(lambda seen: b"paused" in seen)
    terminal.press(b"s")
    terminal.until(lambda seen: b"saved" in seen)
    assert len(list((tmp_path / "snapshots").glob("*.json"))) == 1
    terminal.press(b"1")
    terminal.until(lambda seen: b"labelled" in seen)
    assert (tmp_path / "labelled" / "labels.csv").exists()
    terminal.press(b" r")
    terminal.until(lambda seen: b"REC" in seen)
    terminal.press(b"r")
    terminal.until(lambda seen: b"recorded" in seen)
    assert len(list(tmp_path.glob("*.vwwrec"))) == 1
    terminal.press(b"\x1b[A")  # a key that means nothing is no harm
    terminal.press(b"q")
    seen = terminal.until(lambda seen: b"\x1b[?1049l" in seen)
    assert b"\x1b[?25h" in seen
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_an_interrupted_face_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.until(lambda seen: b"P(person)" in seen)
    terminal.process.send_signal(signal.SIGINT)
    terminal.until(lambda seen: b"\x1b[?1049l" in seen)
    terminal.process.wait(20)
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_the_devices_escape_sequences_do_not_reach_the_terminal(terminal: Terminal) -> None:
    seen = terminal.until(lambda seen: "�]0;hacked".encode() in seen)
    assert b"\x1b]0;" not in seen
    assert b"[bold]" in seen  # nor is it rich's markup


@pytest.mark.parametrize(
    ("answer", "start"),
    [(b"\x1b[?62;4;22c", b"\x1bP0;1;0q"), (b"\x1b_Gi=31;OK\x1b\\\x1b[?62;22c", b"\x1b_Ga=T,f=100")],
    ids=["sixel", "kitty"],
)
def test_a_terminal_with_pictures_gets_pictures(answer: bytes, start: bytes, tmp_path: Path) -> None:
    terminal = Terminal([sys.executable, "-c", PROGRAM, str(tmp_path)], answer)
    try:
        seen = terminal.until(lambda seen: seen.count(start) >= 3)
        assert "▀".encode() not in seen
    finally:
        terminal.close()


def test_a_terminal_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    terminal = Terminal([sys.executable, "-c", PROGRAM, str(tmp_path)], answer=b"", colour="")
    try:
        seen = terminal.until(lambda seen: b"P(person)" in seen and "▀".encode() in seen)
        assert b"38;5;" in seen
    finally:
        terminal.close()


def views() -> list[tuple[str, MonitorView]]:
    """Moments of a session: before, in the middle, lost, at the end."""
    state = State()
    moments = [("nothing yet", state.view())]
    for event in GeneratedSource(fps=0, pictures=30, console="x" * 300 + " {}").events(Control()):
        state.apply(event)
        if isinstance(event, Inference) and event.number == 0:
            moments.append(("one picture", state.view()))
    moments.append(("ended", state.view()))
    state.apply(Connection("lost", "a reason " * 30))
    state.recording, state.paused = "x", True
    moments.append(("lost", state.view()))
    return moments


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (59, 24), (120, 40), (200, 60), (20, 5)])
def test_every_moment_fits_every_terminal(size: tuple[int, int]) -> None:
    console = Console(width=size[0], height=size[1], force_terminal=True, color_system="truecolor")
    for replays in (False, True):
        for name, view in views():
            page = draw(console, view, title="generated", replays=replays)
            assert len(page.lines) == size[1], name
            assert {sum(segment.cell_length for segment in line) for line in page.lines} == {size[0]}, name
            if page.hole:
                assert page.hole.top + page.hole.rows <= size[1] - 6
                assert page.hole.left + page.hole.columns < size[0] - 30


@pytest.mark.parametrize("replays", [False, True])
@pytest.mark.parametrize("width", [60, 80])
def test_the_keys_are_whole_and_quit_is_always_among_them(width: int, replays: bool) -> None:
    console = Console(width=width, height=24, force_terminal=True, color_system=None)
    page = draw(console, views()[2][1], title="generated", replays=replays)
    last = "".join(segment.text for segment in page.lines[-1])
    assert " q  quit " in last and " space  pause " in last and "…" not in last
    words = {"quit", "pause", "label", "record", "snapshot", "threshold", "unlabel", "step", "speed"}
    assert {word for word in last.split() if len(word) > 3 and word != "space"} - words <= {"1"}


def test_figures_that_have_no_room_beside_the_others_go_below_them() -> None:
    console = Console(width=60, height=30, force_terminal=True, color_system=None)
    page = draw(console, dataclasses.replace(views()[2][1], results=123_456), title="generated")
    shown = "\n".join("".join(segment.text for segment in line) for line in page.lines)
    assert "pictures 123,456" in shown and "missed 0" in shown and "drops " in shown


def test_80_by_24_shows_all_that_matters() -> None:
    console = Console(width=80, height=24, force_terminal=True, color_system=None)
    _, view = views()[2]
    page = draw(console, view, title="generated")
    shown = "\n".join("".join(segment.text for segment in line) for line in page.lines)
    for words in ("generated", "person_96_gray", "1.2.3", "P(person)", "threshold 0.50", "latency", "instructions"):
        assert words in shown, words
    for words in (
        "upload",
        "inference",
        "pictures/s",
        "retries",
        "errors",
        "drops",
        "console",
        "pause",
        "quit",
        "rocket",
    ):
        assert words in shown, words


def test_a_map_shows_its_cells_and_what_they_are_of() -> None:
    source = GeneratedSource(fps=0, pictures=1)
    source.outputs = CUPS
    state = State()
    for event in source.events(Control()):
        state.apply(event)
    console = Console(width=80, height=24, force_terminal=True, color_system=None)
    view = state.view()
    shown = "\n".join("".join(s.text for s in line) for line in draw(console, view, title="generated").lines)
    assert "P(cup) 97.0%" in shown and "1 cell in 1 place: row 1 column 2" in shown
    assert "person " not in shown
    assert view.picture is not None and (view.picture[24, 48:72] == (0, 230, 118)).all()
    state.threshold = 0.99
    other = state.view()
    assert other.cells == () and other.picture is not None and other.picture.shape == (96, 96, 1)
    painted = [io.StringIO(), io.StringIO()]
    for screen, moments in zip(painted, ([view], [view, other]), strict=True):
        painter = Painter(screen, console, Graphics.KITTY)
        for moment in moments:
            painter.paint(draw(console, moment, title="generated"), moment)
    assert [screen.getvalue().count("a=T") for screen in painted] == [1, 2]  # the picture is drawn anew


def recorded(path: Path, source: GeneratedSource) -> Path:
    with Recorder(path) as recorder:
        for event in source.events(Control()):
            recorder.add(event)
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return recorded(tmp_path / "a.vwwrec", GeneratedSource(fps=0, pictures=11, console="\x1b[31m{} <b>"))


def cli_command(*arguments: str) -> list[str]:
    code = f"import sys; sys.argv = {['vww-deploy', *arguments]!r}; from vww_deploy.cli import main; main()"
    return [sys.executable, "-c", code]


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(cli_command(*arguments), capture_output=True, text=True, timeout=60, check=False)


def test_plain_is_a_line_a_result(recording: Path) -> None:
    done = cli("monitor", str(recording), "--plain", "--speed", "0", "--threshold", "0.9")
    assert done.returncode == 0, done.stderr
    latency = r"([\d,]+) instructions \(estimate: [\d,]+ ms on nano33ble\)"  # the recording is of a virtual board
    line = rf"^\S+ +(\d+)  (person|no person) +([\d.]+)% +{latency}  (\w+)$"
    results = re.findall(line, done.stdout, re.MULTILINE)
    assert [(int(n), name, float(p)) for n, _, p, _, name in results] == [
        (n, PICTURES[n % 5][0], 100 * PICTURES[n % 5][1]) for n in range(11)
    ]
    assert results[0][1] == "person"
    assert results[2][1] == "no person"  # 88 % under a threshold of 90 %
    assert "\x1b" not in done.stdout
    assert "board: �[31m0 <b>" in done.stdout


def test_json_is_an_object_a_line(recording: Path) -> None:
    done = cli("monitor", str(recording), "--json", "--speed", "0")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event.pop("event") for event in events]
    for kind, line in zip(kinds, events, strict=True):
        assert_documented(json.dumps(line), (json_page().EVENTS[kind],))
    assert kinds[:4] == ["connection", "timing", "frame", "result"]
    assert kinds.count("result") == 11
    assert events[0]["board"]["firmware"] == "1.2.3"
    assert events[3]["p_person"] == 0.97
    assert (events[3]["prediction"], events[3]["top"], events[3]["cells"]) == ("person", [], [])


def test_json_says_in_which_cells_of_a_map_it_is(tmp_path: Path) -> None:
    source = GeneratedSource(fps=0, pictures=2)
    source.outputs = CUPS
    done = cli("monitor", str(recorded(tmp_path / "a.vwwrec", source)), "--json", "--speed", "0")
    first, second = (event for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "result")
    assert (first["prediction"], first["top"][0][0]) == ("cup", "background")
    assert [(cell["row"], cell["column"]) for cell in first["cells"]] == [divmod(PLACES["astronaut"], 4)]
    assert (second["prediction"], second["cells"]) == ("background", [])


def test_a_reader_that_leaves_ends_the_monitor_quietly(recording: Path) -> None:
    process = subprocess.Popen(
        cli_command("monitor", str(recording), "--plain"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(30)
    assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_pipe_is_no_terminal(recording: Path) -> None:
    done = cli("monitor", str(recording))
    assert done.returncode == 1
    assert "this is no terminal" in done.stderr
    assert "--plain" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--plain", "--json"), "exclude each other"),
        (("--plain", "--record", "{recording}"), "exists already"),
    ],
)
def test_what_cannot_be_is_said(recording: Path, arguments: tuple[str, ...], words: str) -> None:
    done = cli("monitor", str(recording), *(argument.format(recording=recording) for argument in arguments))
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_and_a_foreign_address_are_said(recording: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = cli("monitor", str(recording), "--web", "--no-browser", "--web-port", port)
        assert done.returncode == 1
        assert "in use" in done.stderr
        assert "--web-port" in done.stderr
        assert "http://" not in done.stderr
    done = cli("monitor", str(recording), "--web", "--no-browser", "--host", "192.0.2.1")
    assert done.returncode == 1
    assert "cannot be served at 192.0.2.1" in done.stderr


def test_a_damaged_recording_is_said_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.vwwrec").write_bytes(b"SQLite format 3\0" + bytes(52) + (0x76777265).to_bytes(4, "big") + bytes(90))
    done = cli("monitor", str(tmp_path / "a.vwwrec"), "--plain")
    assert done.returncode == 1
    assert "damaged or no recording" in done.stderr
    assert "Traceback" not in done.stderr


def test_collect_takes_pictures_from_a_recording(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = cli("collect", str(recording), "--person", "-n", "4", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert len(list((out / "labelled" / "person").glob("*.png"))) == 4
    done = cli("collect", str(recording), "--no-person", "-n", "9", "-o", str(out))  # it has five different ones
    assert done.returncode == 1
    assert "5 without" in " ".join(done.stderr.split())


def test_text_is_made_safe_and_numbers_short() -> None:
    assert printable("a\x1b[31m\tb\x00\u202ec ü") == "a�[31m b��c ü"
    assert (milliseconds(72_345), milliseconds(1_234_000), milliseconds(930)) == ("72.3 ms", "1,234 ms", "0.93 ms")
    assert (rate(940), rate(12_345), rate(116_800)) == ("940 B/s", "12.3 kB/s", "117 kB/s")
    assert sparkline([0, 5, 10], 10) == "▁▅█"
    assert sparkline([3, 3], 10) == "██"  # from zero: what is constant is no noise
    assert sparkline([0.1, 0.5, 1.0], 10, 1.0) == "▁▅█"
    assert sparkline([], 10) == ""
    assert len(sparkline(list(range(100)), 40)) == 40


def test_every_face_sees_the_same_view(tmp_path: Path) -> None:
    with Monitor(GeneratedSource(fps=0, pictures=3), folder=tmp_path) as monitor:
        monitor.wait_connected()
        end = time.monotonic() + 20
        while monitor.view().connection != "ended":
            assert time.monotonic() < end
            time.sleep(0.01)
        assert monitor.view().results == 3
