"""A service as the stack sees it: it migrates, answers probes on its admin port, and stops when it is told to.

It writes what it was given, and what it was asked, into the directory of its secrets' parent, for the tests to read.
"""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HEALTH = {
    "positions": [
        "AccountsService",
        "PositionsService",
        "LivePositionsService",
        "HistoryService",
        "ObservationService",
    ],
    "reconciler": ["ReconcilerService", "Schedule"],
    "monitor": ["MonitorService"],
}


class Admin(BaseHTTPRequestHandler):
    """The admin port."""

    health: dict[str, str]

    def do_GET(self) -> None:
        """Answer /readyz and /healthz."""
        answers = {"/readyz": {"status": "ready", "services": self.health}, "/healthz": {"status": "alive"}}
        if self.path in answers:
            respond(self, answers[self.path])
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""


class Gateway(Admin):
    """The gateway's public port: it keeps the keys that it is given."""

    keys_file: Path

    def do_GET(self) -> None:
        """List the keys."""
        lines = self.keys_file.read_text().splitlines() if self.keys_file.exists() else []
        respond(self, {"keys": [json.loads(line) for line in lines]})

    def do_POST(self) -> None:
        """Take a key."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.keys_file.open("a") as file:
            file.write(json.dumps({**body, "token": self.headers["Authorization"]}) + "\n")
        respond(self, {"success": True})


def respond(handler: BaseHTTPRequestHandler, content: object) -> None:
    """Answer with JSON."""
    encoded = json.dumps(content).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(encoded)))
    handler.end_headers()
    handler.wfile.write(encoded)


def serve_until_told(*servers: ThreadingHTTPServer) -> None:
    """Serve until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    stop.wait()


def run(name: str) -> None:
    """Be the service of this name."""
    state = Path(os.environ["SECRETS_DIR"]).parent
    if sys.argv[1] == "migrate":
        with (state / "migrations").open("a") as file:
            file.write(f"{name}\n")
        return
    (state / f"{name}.environment").write_text(json.dumps(dict(os.environ)))
    host, _, port = os.environ["ADMIN_LISTEN"].partition(":")
    names = [f"{name}.v1.{service}" for service in HEALTH.get(name, [])] or ["gateway.http"]
    Admin.health = dict.fromkeys(names, "SERVING")
    servers = [ThreadingHTTPServer((host, int(port)), Admin)]
    if name == "gateway":
        Gateway.keys_file = state / "keys"
        servers.append(ThreadingHTTPServer((os.environ["GATEWAY_HOST"], int(os.environ["GATEWAY_PORT"])), Gateway))
    serve_until_told(*servers)
