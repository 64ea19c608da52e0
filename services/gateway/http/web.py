"""The dashboard: files that were built once, served from memory, and pages that are all the same file.

Invariants: only files that the build made are served, whatever is asked for; a page may run, show and ask nothing but
what comes from this origin; an asset whose name has its hash is kept for ever, everything else is asked for again.
"""

import gzip
import ipaddress
import mimetypes
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route
from starlette.types import Scope

from services.gateway.http.json import Document, respond

DIST = Path(__file__).resolve().parent.parent / "web" / "dist"
DEMO_TOKEN_PATH = "/api/local/demo-token"  # noqa: S105 - a path

_INDEX = "index.html"
_SMALLEST_TO_COMPRESS_BYTES = 512
_COMPRESSIBLE = ("text/", "application/json", "application/manifest+json", "image/svg+xml")
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
# No "default-src 'self'": what is not named here is not needed, so it is not allowed.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY}
# These belong to the REST door and to whoever operates it: a path below them that is not there is an error, not a page.
_NOT_PAGES = frozenset({"api", "ws", "docs", "redoc", "openapi.json", "healthz", "readyz", "metrics"})
_NOT_BUILT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tandem</title>
<h1>The dashboard is not built</h1>
<p>The gateway works: its REST door is described at <a href="/docs">/docs</a>.</p>
<p><code>make run</code> builds the dashboard where it can. <code>make web</code> builds it alone, and says what is
missing; it needs Node 20.19 or newer. Then load this page again: the gateway need not be restarted.</p>
</html>
"""


class DemoTokenAnswer(Document, kw_only=True, frozen=True):
    """The demo user's token, which only a local stack offers."""

    success: bool = True
    token: str


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One file of the build; `compressed` where that is smaller."""

    body: bytes
    compressed: bytes | None
    media_type: str
    tag: str


class Website:
    """The files of a build directory. A new build is noticed when a page is asked for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._built_at: int | None = None
        self._files: dict[str, BuiltFile] = {}

    def find(self, name: str) -> BuiltFile | None:
        """A file by its path below the directory; None where the build has none."""
        if name == _INDEX or name not in self._files:
            self._refresh()
        return self._files.get(name)

    def _refresh(self) -> None:
        """Read everything anew where the index has changed; the build writes it last."""
        try:
            built_at = (self._directory / _INDEX).stat().st_mtime_ns
        except OSError:
            self._files, self._built_at = {}, None
            return
        if built_at != self._built_at:
            files = sorted(path for path in self._directory.rglob("*") if path.is_file())
            self._files = {path.relative_to(self._directory).as_posix(): _read(path) for path in files}
            self._built_at = built_at


def install_website(app: FastAPI, directory: Path = DIST, demo_token: SecretStr | None = None) -> None:
    """Serve the dashboard below everything else that the app serves. Call it last."""
    website = Website(directory)

    async def page(request: Request) -> Response:
        return _answer(website, request)

    async def offer_demo_token(request: Request) -> Response:
        # Asked under a name that is not this machine's (a page elsewhere that resolves to us), there is no such route.
        if demo_token is None or not _is_this_machine(request.url.hostname):
            raise HTTPException(404)
        return respond(DemoTokenAnswer(token=demo_token.get_secret_value()))

    app.router.routes.append(Route(DEMO_TOKEN_PATH, offer_demo_token, include_in_schema=False))
    app.router.routes.append(_Pages("/{path:path}", page, include_in_schema=False))


class _Pages(Route):
    """Every path but those of the REST door, so that it still says itself what it does not have."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["path"].split("/")[1:2][0] in _NOT_PAGES:
            return Match.NONE, {}
        return super().matches(scope)


def _answer(website: Website, request: Request) -> Response:
    name = request.path_params["path"] or _INDEX
    found = website.find(name)
    if found is None:
        if name != _INDEX and "." in name.rpartition("/")[2]:
            raise HTTPException(404)  # A file by its name: one of an older build, or one that never was.
        name = _INDEX
        found = website.find(name)
    if found is None:
        return HTMLResponse(_NOT_BUILT, 503, {**_HEADERS, "Cache-Control": "no-store"})
    headers = {
        **_HEADERS,
        "Cache-Control": _FOR_EVER if name.startswith("assets/") else _ASK_AGAIN,
        "ETag": found.tag,
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    body = found.body
    if found.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = found.compressed
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=found.media_type)


def _read(path: Path) -> BuiltFile:
    body = path.read_bytes()
    media_type = _media_type(path)
    compressed = None
    if len(body) >= _SMALLEST_TO_COMPRESS_BYTES and media_type.startswith(_COMPRESSIBLE):
        compressed = gzip.compress(body, 9, mtime=0)
    return BuiltFile(body, compressed, media_type, f'W/"{sha256(body).hexdigest()[:24]}"')


def _media_type(path: Path) -> str:
    if path.suffix == ".webmanifest":
        return "application/manifest+json"
    if path.suffix == ".js":
        return "text/javascript"  # What a system's table of types says of it differs.
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _is_this_machine(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
