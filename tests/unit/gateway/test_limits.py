"""Limits of a user, and the headers that every answer carries."""

import httpx

from services.gateway.http.limits import Limit
from tests.unit.gateway.conftest import World


class Ticks:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_used_comes_back_at_an_even_rate() -> None:
    ticks = Ticks()
    limit = Limit("reads", 60, ticks)
    taken = [limit.take("demo") for _ in range(61)]
    assert [refusal for _, refusal in taken[:60]] == [None] * 60
    quota, refusal = taken[60]
    assert refusal is not None
    assert (refusal.metadata["retry_after_seconds"], quota and quota.remaining, quota and quota.reset) == ("1", 0, 60)
    assert limit.take("another")[1] is None
    ticks.now += 1
    assert limit.take("demo")[1] is None
    assert limit.take("demo")[1] is not None
    ticks.now += 3600
    quota, _ = limit.take("demo")
    assert quota is not None
    assert quota.remaining == 59  # no more than a minute's worth is saved up


def test_users_who_are_idle_are_forgotten() -> None:
    ticks = Ticks()
    limit = Limit("reads", 60, ticks)
    for n in range(10_000):
        limit.take(f"user {n}")
    ticks.now += 60
    limit.take("one more")
    assert limit.size == 1


async def test_beyond_the_limit_the_answer_is_429_with_the_usual_headers(world: World) -> None:
    world.reads, world.writes = 3, 1
    transport = httpx.ASGITransport(app=world.app())
    mine, other = ({"Authorization": f"Bearer {world.token(user)}"} for user in ("demo", "other"))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answers = [await client.get("/api/portfolio", headers=mine) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"3"}
        refused = answers[3]
        assert (refused.json()["code"], refused.json()["success"]) == ("RATE_LIMITED", False)
        assert 0 < int(refused.headers["Retry-After"]) <= 20
        assert 0 < int(refused.headers["RateLimit-Reset"]) <= 60
        assert (await client.get("/api/portfolio", headers=other)).status_code == 200
        # Writes have a limit of their own; what is refused is not done.
        assert (await client.post("/api/positions/sync", headers=mine)).status_code == 200
        assert (await client.post("/api/positions/sync", headers=mine)).status_code == 429
        assert len(world.reconciliation.synced) == 1
        assert (await client.get("/api/status")).status_code == 200


async def test_every_answer_says_what_a_browser_may_do_with_it(world: World, client: httpx.AsyncClient) -> None:
    for path in ("/api/status", "/api/portfolio", "/api/nowhere", "/docs", "/docs/swagger-ui.css"):
        headers = (await client.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_the_documentation_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs", headers={"Authorization": ""})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "//" not in page.text
    for part in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js"):
        assert f'"/docs/{part}"' in page.text
        answer = await client.get(f"/docs/{part}")
        assert (answer.status_code, len(answer.content) > 100) == (200, True)
    assert (await client.get("/docs/__init__.py")).status_code == 404


async def test_pages_of_other_origins_may_call_only_where_a_setting_says_so() -> None:
    ask = {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH"}
    for allowed in ((), ("https://app.example",)):
        world = World(cors_origins=allowed)
        transport = httpx.ASGITransport(app=world.app())
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            preflight = await client.options("/api/positions/OP_1_1/stop-loss", headers=ask)
            answer = await client.get("/api/status", headers={"Origin": "https://app.example"})
            stranger = await client.get("/api/status", headers={"Origin": "https://evil.example"})
        granted = "https://app.example" if allowed else None
        assert preflight.headers.get("Access-Control-Allow-Origin") == granted
        assert answer.headers.get("Access-Control-Allow-Origin") == granted
        assert "Access-Control-Allow-Origin" not in stranger.headers
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_page_elsewhere_may_send_and_read_every_header_that_is_promised() -> None:
    world = World(cors_origins=("https://app.example",), reads=10)
    transport = httpx.ASGITransport(app=world.app())
    origin = {"Origin": "https://app.example"}
    sent = "authorization, content-type, idempotency-key, traceparent, x-request-id"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": sent}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=origin) as client:
        preflight = await client.options("/api/positions/sync", headers=asked)
        file = await client.get("/api/positions/history.csv", headers={"Authorization": f"Bearer {world.token()}"})
    assert (preflight.status_code, "x-request-id" in preflight.headers) == (200, True)
    exposed = {name.strip().lower() for name in file.headers["Access-Control-Expose-Headers"].split(",")}
    promised = {"content-disposition", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "x-request-id"}
    assert promised <= exposed & set(file.headers)
    assert {"retry-after", "idempotency-replayed"} <= exposed


async def test_a_page_elsewhere_may_read_what_nobody_meant() -> None:
    world = World(cors_origins=("https://app.example",))
    world.live.fails = RuntimeError("lost")
    transport = httpx.ASGITransport(app=world.app())
    headers = {"Origin": "https://app.example", "Authorization": f"Bearer {world.token()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        answer = await client.get("/api/positions/current")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "x-request-id" in answer.headers["Access-Control-Expose-Headers"].lower()
