"""A session's events, written to the run store as they come.

with Store() as store, open_session(model, board="virtual") as session:
    for event in stream(session, ["photos/"], store):
        ...
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from vww_deploy.errors import StoreError, VwwError
from vww_deploy.graph.model import Model
from vww_deploy.link.inference import Inference
from vww_deploy.pictures.gather import Picture, gather
from vww_deploy.runs.result import StoredResult
from vww_deploy.runs.store import RunHeader, RunWriter, State, Store
from vww_deploy.session import events
from vww_deploy.session.session import Session, peer_of


def stream(session: Session, sources: Sequence[str | Path], store: Store) -> Iterator[events.Event]:
    """Send pictures to a board as a new run of ``store``: for each a picture, then a result, both of the same number.

    Args:
        session: connected, see :func:`vww_deploy.connect`.
        sources: picture files (PNG, JPEG, BMP), folders, searched to any depth, and globs.
        store: where each result is on disk before its event is yielded.

    Raises:
        DataError: a source does not exist or has no pictures.
        LinkError: the board cannot be reached any more.
        StoreError: the store cannot be written.
    """
    pictures = gather([str(source) for source in sources])
    writer = store.begin(run_header(session), pictures)
    yield from stream_run(session, writer, dict(enumerate(pictures)))


def stream_run(session: Session, writer: RunWriter, pictures: Mapping[int, Picture]) -> Iterator[events.Event]:
    """Send pictures, by position in the run; each result and each skipped picture is written before it is yielded.

    The run is marked complete at the end, interrupted when the caller stops early (Ctrl-C too), failed on an error.

    Raises:
        LinkError: the device cannot be reached any more.
        StoreError: the run store cannot be written, or the run to continue was one of another model.
    """
    model = session.model
    check_same_model(writer.run, writer.header, model)
    shown: events.ShownPicture | None = None
    with finishing(lambda: writer):
        for event in session.stream(pictures):
            if isinstance(event, events.ShownPicture):
                shown = event
            elif isinstance(event, Inference) and shown is not None:
                writer.record(StoredResult.of(shown, event, session.board_serial))
            elif isinstance(event, events.Skipped) and event.number is not None:
                writer.skip(event.number, event.reason)
            yield event


@contextlib.contextmanager
def finishing(writer: Callable[[], RunWriter | None]) -> Iterator[None]:
    """Mark a run at the end of the block: complete, interrupted when it is left early (Ctrl-C too), failed on an error.

    Args:
        writer: of the run; None as long as it has not begun.

    Raises:
        StoreError: the run store cannot be written.
    """
    state: State = "failed"
    note = ""
    try:
        yield
        state = "complete"
    except VwwError as error:
        note = error.message
        raise
    except (GeneratorExit, KeyboardInterrupt):
        state = "interrupted"
        raise
    finally:
        begun = writer()
        if begun is not None:
            # A store that failed a moment ago fails here, too: the first error is the one to report.
            with contextlib.suppress(StoreError) if state == "failed" else contextlib.nullcontext():
                begun.finish(state, note)


def check_same_model(run: int, header: RunHeader, model: Model) -> None:
    """Raise StoreError if a run that is to go on was one of another model."""
    if header.peer.model_sha256 == model.sha256:
        return
    was, now = header.peer.model, model.name
    if was == now:
        was, now = f"{was} ({header.peer.model_sha256[:12]})", f"{now} ({model.sha256[:12]})"
    raise StoreError(f"run {run} is of {was}, not of {now}", hint="Start a new run instead of continuing it.")


def run_header(session: Session) -> RunHeader:
    """What the run store notes about a session; measures the layers, if that was not done yet.

    Raises:
        LinkError: the device cannot be reached.
    """
    device, model = session.device, session.model
    return RunHeader(
        peer=peer_of(device, model),
        model_path=str(model.path.resolve()),
        firmware_sha256=session.firmware_sha256,
        protocol=device.info.protocol_version,
        reference=session.compare,
        raw_camera="" if session.raw_camera is None else str(session.raw_camera),
        crop=model.card.input.crop,
        layers=session.layers,
    )
