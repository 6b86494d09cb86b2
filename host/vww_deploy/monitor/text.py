"""Text from outside (a device, a file name) made safe to show, and numbers made short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vww_deploy.session.latency import COUNTED

_BARS: Final = "▁▂▃▄▅▆▇█"


def printable(text: str) -> str:
    """The text with everything that a terminal would obey (escape sequences, control characters) made visible."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "�" for c in text)


def file_name(source: str) -> str:
    """The last part of a path."""
    return source.rsplit("/", 1)[-1]


def sparkline(values: Sequence[float], width: int, high: float | None = None) -> str:
    """The last ``width`` values as bars from zero to ``high``, or to the largest of them."""
    recent = values[-width:]
    low, high = 0.0, high or max(recent, default=0.0) or 1.0
    return "".join(_BARS[min(7, int((v - low) / (high - low) * 8))] for v in recent)


def milliseconds(us: float) -> str:
    """Microseconds as milliseconds with three significant digits: ``72.3 ms``."""
    ms = us / 1000
    return f"{ms:,.0f} ms" if ms >= 100 else f"{ms:.1f} ms" if ms >= 10 else f"{ms:.2f} ms"


def spent(count: int, clock: str, clock_hz: int) -> str:
    """Device ticks as time: ``72.3 ms``; as ``8.70 M instr.`` where the device counts instructions."""
    return f"{count / 1e6:.2f} M instr." if clock == COUNTED else milliseconds(1e6 * count / clock_hz)


def rate(bytes_per_s: float) -> str:
    """Bytes a second: ``940 B/s``, ``12.3 kB/s``, ``117 kB/s``."""
    kilobytes = bytes_per_s / 1000
    if kilobytes < 1:
        return f"{bytes_per_s:.0f} B/s"
    return f"{kilobytes:.1f} kB/s" if kilobytes < 100 else f"{kilobytes:,.0f} kB/s"


def ticks(count: int, clock: str) -> str:
    """Device ticks: ``10.2 M instructions``."""
    if count >= 10_000_000:
        return f"{count / 1e6:.1f} M {clock}"
    return f"{count:,} {clock}"
