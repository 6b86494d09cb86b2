"""Whether a connected board runs the model that it should."""

from __future__ import annotations

from vww_deploy.errors import ProtocolMismatch
from vww_deploy.graph import known
from vww_deploy.link.device import Device


def check_model(device: Device, name: str, sha256: str) -> None:
    """Raise ProtocolMismatch if the board runs another model than the one called ``name``."""
    info = device.info
    if info.model_sha256 != sha256:
        raise ProtocolMismatch(
            f"{device.port}: the board runs {known.name_of(info.model_sha256)}, not {name}",
            hint=flash_hint(info.board),
        )


def flash_hint(board: str) -> str:
    """What puts a model on the board that calls itself so; "arduino" is one with the library for the Arduino IDE."""
    if board == "arduino":
        return "`vww-deploy compile MODEL --arduino-library OUT.zip`, then upload its example SerialPictures"
    return f"`vww-deploy flash MODEL --board {board}` puts the model on it"
