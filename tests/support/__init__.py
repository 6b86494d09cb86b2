"""What several tests share: played boards, writers of models, builds of the firmware's parts for the host."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout. A Python process that a test starts here can import ``tests``."""
