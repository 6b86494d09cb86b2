"""The programs that are started: each is named in the log ``vww_deploy.tools``, which ``vww-deploy -v`` shows."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from typing import Final

_log: Final = logging.getLogger("vww_deploy.tools")


def logged_start(command: Sequence[str]) -> None:
    """Say that ``command``, a program and its arguments, is about to be started."""
    _log.info("starting %s", shlex.join(command))
