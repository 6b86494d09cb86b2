"""Every answer of the monitor's page as ZAP's passive rules look at its headers: the figure of docs/security.md.

    python benchmarks/page_headers.py      # serves the page on a free port, with and without a token

Prints what would be found; exits with 1 if that is anything. The test suite looks at the same answers.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.support import ROOT
from tests.support.page_headers import answers, findings


def looked_at(host: str, folder: str) -> tuple[int, list[str]]:
    """How many answers of a page served at that address there are, and what is found."""
    with socket.create_server((host, 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "tests.web.page_server", port, folder, host]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        token = url.partition("?token=")[2]
        seen = list(answers(url, f"vww_deploy_token={token}" if token else ""))
        return len(seen), [one for answer in seen for one in findings(answer)]
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        results = {host: looked_at(host, folder) for host in ("127.0.0.1", "0.0.0.0")}
    for host, (count, found) in results.items():
        print(f"{host}: {count} answers, {len(found)} findings", *found, sep="\n  ")
    sys.exit(any(found for _, found in results.values()))
