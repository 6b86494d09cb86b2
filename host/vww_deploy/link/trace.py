"""What goes over the link, readable: each frame with its message, and console text, in the log ``vww_deploy.link``.

Nothing is written, and hardly anything computed, unless that log is enabled for ``DEBUG``:

    logging.basicConfig(level=logging.DEBUG)
"""

from __future__ import annotations

import logging
from dataclasses import fields
from typing import Final

from vww_deploy.link import messages as m
from vww_deploy.link.frames import Broken, Decoder, Event, Text

log: Final = logging.getLogger("vww_deploy.link")

_SHOWN_BYTES: Final = 16  # of a picture's piece; the rest is counted


def sent(port: str, data: bytes) -> None:
    """Log the frames and the text in ``data``, which was written as a whole."""
    if log.isEnabledFor(logging.DEBUG):
        for event in Decoder().feed(data):
            log.debug("%s <- %s", port, described(event))


def received(port: str, event: Event) -> None:
    """Log what came from the board."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug("%s -> %s", port, described(event))


def described(event: Event) -> str:
    """One line: ``#17 Write(id=3, offset=256, data=<256 bytes: 80 7f ...>)``."""
    if isinstance(event, Text):
        return f"text {m.printable(event.data)!r}"
    if isinstance(event, Broken):
        return f"broken frame ({event.fault.value})"
    head = f"#{event.sequence}"
    kind = m.BY_TYPE.get(event.type)
    if kind is None:
        return f"{head} unknown message {event.type:#04x} {_value(event.payload)}"
    try:
        message = kind.unpack(event.payload)
    except m.BadMessageError:
        return f"{head} {kind.__name__} of another form {_value(event.payload)}"
    values = ((field.name, getattr(message, field.name)) for field in fields(message))
    return f"{head} {kind.__name__}({', '.join(f'{name}={_value(value)}' for name, value in values)})"


def _value(value: object) -> str:
    if not isinstance(value, bytes):
        return m.printable(value.encode()) if isinstance(value, str) else str(value)
    shown = value[:_SHOWN_BYTES].hex(" ")
    return f"<{len(value)} bytes: {shown}{' ...' if len(value) > _SHOWN_BYTES else ''}>"
