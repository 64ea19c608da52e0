"""In the place of the sandbox: it takes whatever it is asked to mint, and keeps that beside its data."""

import json
import sys
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.unit.local.fakes.service import Admin, respond, serve_until_told


class Sandbox(Admin):
    """The control routes."""

    requests_file: Path

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        """Mint an account."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.requests_file.open("a") as file:
            file.write(json.dumps({"path": self.path, **body}) + "\n")
        respond(self, {"apiKey": body["apiKey"], "secret": body["secret"]})


options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
data = Path(options["--data"])
data.mkdir(parents=True, exist_ok=True)
Sandbox.requests_file = data / "requests"
Sandbox.health = {}
serve_until_told(ThreadingHTTPServer((options["--host"], int(options["--port"])), Sandbox))
