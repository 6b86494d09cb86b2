"""What the host's commands cost: CPU seconds of each, the least of three runs in processes of their own.

python benchmarks/host.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

MODEL = "person_96_gray"


def cpu_seconds(*arguments: str) -> float:
    """User and system time of ``vww-deploy`` with these arguments."""
    before = os.times()
    command = [sys.executable, "-c", "from vww_deploy.cli import main; main()", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    return after.children_user - before.children_user + after.children_system - before.children_system


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "--help": ["--help"],
            f"inspect {MODEL}": ["inspect", MODEL],
            f"compile {MODEL}": ["compile", MODEL, "-o", folder],
        }
        print("| command | CPU seconds |")
        print("|---|---:|")
        for name, arguments in commands.items():
            print(f"| `{name}` | {min(cpu_seconds(*arguments) for _ in range(3)):.2f} |")


if __name__ == "__main__":
    main()
