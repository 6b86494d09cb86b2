"""The page over the generated board, as a process of its own: ``python -m tests.web.page_server PORT FOLDER [HOST]``.

Lines on standard input are obeyed: ``gone`` takes the board away, ``back`` brings it back, ``cups`` makes it one that
finds cups once it is back, ``reset`` makes everything as it was at the beginning.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from pathlib import Path

from tests.support.generated_source import CUPS, GeneratedSource
from vww_deploy.monitor.monitor import Monitor
from vww_deploy.monitor.web import serve
from vww_deploy.pictures.outputs import OutputSpec

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> <b id=injected>bold</b> {}"


def obey(source: GeneratedSource, monitor: Monitor) -> None:
    for line in sys.stdin:
        if line.strip() == "gone":
            source.gone.set()
        elif line.strip() == "back":
            source.gone.clear()
        elif line.strip() == "cups":
            source.outputs = CUPS
        elif line.strip() == "reset":
            source.outputs = OutputSpec()
            board = monitor.view().board
            if board is not None and board.outputs != source.outputs:  # it says what its outputs are when it connects
                source.gone.set()
                while monitor.view().connection == "connected":
                    time.sleep(0.01)
            source.gone.clear()
            monitor.pause(False)
            monitor.set_threshold(0.5)
            monitor.stop_recording()
            shutil.rmtree(monitor.folder, ignore_errors=True)


def main() -> None:
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    host = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
    source = GeneratedSource(fps=10, console=HOSTILE)
    with Monitor(source, folder=folder) as monitor:
        threading.Thread(target=obey, args=(source, monitor), daemon=True).start()
        serve(monitor, host=host, port=port, open_browser=False, announce=lambda url: print(url, flush=True))


if __name__ in ("__main__", "__mp_main__"):
    main()
