"""A process for the supervisor's tests: it does what its arguments say, one file is its word to the outside.

`python worker.py READY_FILE [--ignore-stop] [--exit CODE]`: writes its process id to READY_FILE and waits for ever;
with --exit it says why on standard output and ends at once; with --ignore-stop SIGTERM does not stop it; with --child
it also leaves a process of its own behind.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    ready_file, *options = arguments
    if "--exit" in options:
        sys.stdout.write("the settings are wrong\n")
        return int(options[options.index("--exit") + 1])
    if "--ignore-stop" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "--child" in options:
        child = subprocess.Popen([sys.executable, __file__, f"{ready_file}.child"])
        Path(f"{ready_file}.child.pid").write_text(str(child.pid))
    Path(ready_file).write_text(str(os.getpid()))
    while True:
        signal.pause()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
