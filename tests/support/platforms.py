"""A platform of PlatformIO's with one board, as far as PlatformIO reads it to know its boards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def platform_with(
    folder: Path, platform: str, board: str, vendor: str, figures: Sequence[Any], hwids: Sequence[Sequence[str]] = ()
) -> None:
    """Install it in ``folder``, PlatformIO's ``platforms``.

    Args:
        figures: processor, MHz, bytes of RAM, bytes of flash.
        hwids: USB ids as PlatformIO writes them.
    """
    mcu, mhz, ram, flash = figures
    (folder / platform / "boards").mkdir(parents=True)
    about = {"name": platform, "version": "1.0.0", "title": platform, "frameworks": {}, "packages": {}}
    (folder / platform / "platform.json").write_text(json.dumps(about))
    build = {"mcu": mcu, "f_cpu": f"{mhz}000000L", **({"hwids": hwids} if hwids else {})}
    manifest = {
        "name": f"{vendor} {board}",
        "vendor": vendor,
        "url": "https://example.org",
        "frameworks": ["arduino"],
        "build": build,
        "upload": {"maximum_ram_size": ram, "maximum_size": flash},
    }
    (folder / platform / "boards" / f"{board}.json").write_text(json.dumps(manifest))
