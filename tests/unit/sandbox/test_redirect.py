"""The redirecting session reaches loopback for known hosts and nothing else."""

from typing import Any

import pytest
import yarl

from services.common.exchange.redirect import VENUE_HOSTS, RedirectingSession, RedirectRefused


class Recorder:
    """Stands where an aiohttp session stands and notes what it was asked."""

    def __init__(self) -> None:
        self.headers = {"User-Agent": "test"}
        self.asked: list[yarl.URL] = []

    def note(self, url: yarl.URL, **_options: Any) -> None:
        self.asked.append(url)

    get = post = put = patch = delete = ws_connect = note


def redirecting(base: str = "http://127.0.0.1:9000") -> tuple[RedirectingSession, Recorder]:
    recorder = Recorder()
    return RedirectingSession(recorder, base), recorder  # type: ignore[arg-type]


@pytest.mark.parametrize("host", sorted(VENUE_HOSTS))
def test_known_hosts_go_to_the_base_with_path_and_query_untouched(host: str) -> None:
    session, recorder = redirecting()
    session.get(yarl.URL(f"https://{host}/fapi/v1/order?symbol=A%20B&signature=ab%2Fcd", encoded=True))
    session.ws_connect(f"wss://{host}:9443/ws/x?listenKey=k")
    assert [str(url) for url in recorder.asked] == [
        "http://127.0.0.1:9000/fapi/v1/order?symbol=A%20B&signature=ab%2Fcd",
        "ws://127.0.0.1:9000/ws/x?listenKey=k",
    ]


@pytest.mark.parametrize("url", ["https://example.com/", "https://api.binance.com.evil.org/", "http://127.0.0.1:1/"])
def test_other_hosts_are_refused_before_anything_is_sent(url: str) -> None:
    session, recorder = redirecting()
    for send in (session.get, session.post, session.put, session.patch, session.delete, session.ws_connect):
        with pytest.raises(RedirectRefused):
            send(url + "?signature=secret")
    assert recorder.asked == []


def test_a_refusal_does_not_show_the_url() -> None:
    session, _ = redirecting()
    with pytest.raises(RedirectRefused) as refused:
        session.get("https://example.com/x?signature=secret")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("base", ["http://10.0.0.1:80", "https://api.binance.com", "http://sandbox:8000"])
def test_only_loopback_may_stand_in_for_a_venue(base: str) -> None:
    with pytest.raises(RedirectRefused):
        redirecting(base)


def test_the_rest_is_the_wrapped_session_s_own() -> None:
    session, _ = redirecting("http://[::1]:9000")
    assert session.headers == {"User-Agent": "test"}
    for other_way in ("head", "options", "_request"):
        with pytest.raises(AttributeError):
            getattr(session, other_way)
