"""The camera's commands: what they refuse before a board is looked for, and runs that remember raw pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vww_deploy.boards.camera_feed import CameraFault, Pictures, open_images
from vww_deploy.boards.catalogue import get_board
from vww_deploy.boards.drivers import driver_for
from vww_deploy.cli import build
from vww_deploy.errors import DataError, VwwError


def refused(*arguments: str) -> VwwError:
    result = CliRunner().invoke(build(), list(arguments))
    assert isinstance(result.exception, VwwError), result.output
    return result.exception


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    assert "walking-one" in refused("camera", "--pattern", "stripes").hint
    assert "swapped-lines" in refused("camera", "--fault", "rust").hint
    assert "qcif" in refused("camera", "--camera-format", "huge").hint


def test_only_the_virtual_camera_is_shown_pictures() -> None:
    with pytest.raises(DataError, match="of its own"):
        driver_for(get_board("nano33ble")).camera_feed(["photos"])
    with pytest.raises(DataError, match="of its own"):
        driver_for(get_board("nano33ble")).camera_feed([], fault=CameraFault.TORN)
    with pytest.raises(DataError, match="nothing to look at"):
        driver_for(get_board("virtual")).camera_feed([])
    with driver_for(get_board("nano33ble")).camera_feed([])() as feed:
        assert feed is None


def test_what_the_camera_looks_at_is_told_by_its_name(tmp_path: Path) -> None:
    assert isinstance(open_images([__file__], 10.0), Pictures)
    pytest.importorskip("cv2", reason="needs the extra 'camera'")
    with pytest.raises(DataError, match="webcam 99 cannot be opened"):
        open_images(["webcam:99"], 10.0)
    with pytest.raises(DataError, match="no video"):
        open_images([str(tmp_path / "none.mp4")], 10.0)
