"""The dashboard's files: what is served, how long it is kept, and what a page may do."""

import gzip
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from services.gateway.http.errors import install_error_handlers
from services.gateway.http.web import DEMO_TOKEN_PATH, install_website


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A build of the dashboard."""
    built = tmp_path / "dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>Tandem</title>" + " " * 600)
    (built / "assets" / "index-abc123.js").write_text("const a = 1;" * 100)
    (built / "manifest.webmanifest").write_text("{}")
    (tmp_path / "secret.txt").write_text("not for anyone")
    return built


def client_of(directory: Path, demo_token: str | None = None, host: str = "127.0.0.1:3333") -> httpx.AsyncClient:
    app = FastAPI()

    @app.post("/api/things")
    async def things() -> None: ...

    install_error_handlers(app)
    install_website(app, directory, None if demo_token is None else SecretStr(demo_token))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=f"http://{host}")


@pytest.mark.parametrize("path", ["/", "/performance", "/positions/OP_1729425600_1", "/index.html"])
async def test_every_page_is_the_one_page_and_may_load_only_what_is_ours(dist: Path, path: str) -> None:
    async with client_of(dist) as client:
        answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "<title>Tandem</title>" in answer.text


async def test_an_asset_is_kept_for_ever_and_comes_compressed(dist: Path) -> None:
    async with client_of(dist) as client:
        answer = await client.get("/assets/index-abc123.js")
        plain = await client.get("/assets/index-abc123.js", headers={"Accept-Encoding": "identity"})
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert int(answer.headers["content-length"]) == len(gzip.compress(plain.content, 9, mtime=0))
    assert answer.content == plain.content
    assert "content-encoding" not in plain.headers


async def test_what_is_known_already_is_not_sent_again(dist: Path) -> None:
    async with client_of(dist) as client:
        tag = (await client.get("/manifest.webmanifest")).headers["etag"]
        again = await client.get("/manifest.webmanifest", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/assets/index-old.js", "/../secret.txt", "/assets/%2e%2e/%2e%2e/secret.txt", "/.env"]
)
async def test_a_file_that_the_build_did_not_make_is_not_found(dist: Path, path: str) -> None:
    async with client_of(dist) as client:
        answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "ROUTE_NOT_FOUND"


@pytest.mark.parametrize(
    ("path", "status"), [("/api/nothing", 404), ("/api", 404), ("/api/things", 405), ("/metrics", 404)]
)
async def test_the_rest_door_still_says_itself_what_it_does_not_have(dist: Path, path: str, status: int) -> None:
    async with client_of(dist) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    assert answer.json()["success"] is False


async def test_without_a_build_it_says_what_to_do_and_notices_the_build_when_it_is_there(dist: Path) -> None:
    where = dist.with_name("later")
    async with client_of(where) as client:
        before = await client.get("/")
        dist.rename(where)  # noqa: ASYNC240 - a build takes place at once
        after = await client.get("/")
        (where / "assets" / "index-def456.js").write_text("new")
        asset = await client.get("/assets/index-def456.js")
    assert before.status_code == 503
    assert "make run" in before.text
    assert after.status_code == 200
    assert asset.status_code == 404  # Its page is the old one still: the build writes that last.


async def test_the_demo_token_is_offered_only_where_it_was_given_and_only_on_this_machine(dist: Path) -> None:
    async with client_of(dist) as client:
        assert (await client.get(DEMO_TOKEN_PATH)).status_code == 404
    async with client_of(dist, "the-token") as client:
        assert (await client.get(DEMO_TOKEN_PATH)).json() == {"success": True, "token": "the-token"}
    async with client_of(dist, "the-token", host="rebound.example:3333") as client:
        assert (await client.get(DEMO_TOKEN_PATH)).status_code == 404
