"""``vww-deploy run`` and ``flash`` with a board that is the reference itself: what is continued, what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from tests.support.reference_device import ReferenceDevice
from vww_deploy.boards import bootloader, flash
from vww_deploy.errors import LinkError, ProtocolMismatch, VwwError
from vww_deploy.graph.model import Model
from vww_deploy.link.messages import Feature
from vww_deploy.pictures.gather import Picture
from vww_deploy.runs.store import RunHeader, Store
from vww_deploy.session import connect
from vww_deploy.session.events import Peer
from vww_deploy.session.session import Session

Cli = Callable[..., Any]


@pytest.fixture
def attach(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``attach(features)``: the board that is found; ``attach(error=...)``: that is lost when it is greeted."""

    def attached(features: Feature = Feature.STAGED_INPUT, error: VwwError | None = None) -> None:
        @contextmanager
        def open_session(model: Model, **_: object) -> Iterator[Session]:
            if error is not None:
                raise error
            yield Session(ReferenceDevice(model, features=features), model)  # type: ignore[arg-type]

        monkeypatch.setattr(connect, "open_session", open_session)
        monkeypatch.setattr(connect, "running_model", lambda board, port: "00" * 32)

    return attached


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 40), "green").save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(("arguments", "finished"), [((), 3), (("--run", "1"), 1)])
def test_resume_continues_a_run_with_pictures_left(
    cli: Cli, tmp_path: Path, picture: Path, attach: Callable[..., None], arguments: tuple[str, ...], finished: int
) -> None:
    attach()
    model = Model.load()
    header = RunHeader(Peer("nano33ble", "/dev/ttyTEST", "", model.name, model.sha256), str(model.path))
    path = tmp_path / "state" / "runs.sqlite"
    with Store(path) as store:
        for run in (1, 2, 3, 4):
            writer = store.begin(header, [Picture(str(picture))])
            if run in (2, 4):
                writer.skip(0, "gone")
                writer.finish("complete")
    assert cli("run", "--resume", *arguments).code == 0
    with Store(path) as store:
        assert store.run(finished).results == 1
        assert [run.id for run in store.runs() if run.state != "complete"] == [{3: 1, 1: 3}[finished]]
    assert cli("run", "--resume").code == 0
    ran = cli("run", "--resume")
    assert ran.code == 1
    assert "no run that has pictures left" in ran.err


@pytest.mark.parametrize(("features", "said"), [(Feature.STAGED_INPUT, False), (Feature(0), True)])
def test_uploads_that_do_not_overlap_are_said(
    cli: Cli, picture: Path, attach: Callable[..., None], monkeypatch: pytest.MonkeyPatch, features: Feature, said: bool
) -> None:
    attach(features)
    ran = cli("run", picture)
    assert ran.code == 0
    assert ("each upload waits" in ran.err) == said
    flashed = SimpleNamespace(
        info=SimpleNamespace(features=features),
        port="/dev/ttyTEST",
        image=SimpleNamespace(flash_bytes=1, ram_bytes=1),
    )
    monkeypatch.setattr(flash, "flash", lambda *_, **__: flashed)
    monkeypatch.setattr(bootloader, "pick", lambda board, port: None)
    ran = cli("flash", "--board", "nano33ble")
    assert ran.code == 0
    assert ("each upload waits" in ran.err) == said


@pytest.mark.parametrize(
    ("arguments", "error", "blamed"),
    [
        (("--fault-rate", "0.01"), LinkError("something else answers", hint="flash it"), True),
        (("--fault-rate", "0.01"), ProtocolMismatch("another model", hint="flash it"), False),
        ((), LinkError("something else answers", hint="flash it"), False),
    ],
)
def test_a_line_that_is_bad_on_purpose_is_blamed(
    cli: Cli, picture: Path, attach: Callable[..., None], arguments: tuple[str, ...], error: LinkError, blamed: bool
) -> None:
    attach(error=error)
    ran = cli("run", picture, *arguments)
    assert ran.code == 1
    assert error.message in ran.err
    assert ("try a smaller --fault-rate" in ran.err) == blamed
    assert ("flash it" in ran.err) == (not blamed)
