"""Opens the sources that are switched on."""

from services.common.process import Process
from services.monitor.sentiment.config import SentimentSettings
from services.monitor.sentiment.polymarket import Polymarket
from services.monitor.sentiment.reddit import Reddit
from services.monitor.sentiment.scoring import Scorer
from services.monitor.sentiment.source import Source, Web


def open_sources(process: Process, settings: SentimentSettings, *, live: bool) -> list[Source]:
    """The sources that are asked, with connections that end with the process."""
    sources: list[Source] = []
    names = [name.strip() for name in settings.reddit_subreddits.split(",") if name.strip()]
    if names and settings.asks(settings.reddit_url, live=live):
        web = _open_web(process, settings, settings.reddit_user_agent)
        credentials = None
        if settings.reddit_client_id and settings.reddit_client_secret:
            credentials = (settings.reddit_client_id, settings.reddit_client_secret.get_secret_value())
        sources.append(
            Reddit(
                web,
                Scorer(),
                names,
                url=settings.reddit_url,
                api_url=settings.reddit_api_url,
                credentials=credentials,
            )
        )
    if settings.asks(settings.polymarket_url, live=live):
        web = _open_web(process, settings, settings.reddit_user_agent)
        sources.append(Polymarket(web, url=settings.polymarket_url, tag_id=settings.polymarket_tag_id))
    return sources


def _open_web(process: Process, settings: SentimentSettings, user_agent: str) -> Web:
    web = Web(settings.sentiment_timeout_seconds, user_agent)
    process.on_drain(web.close, "sentiment source")
    return web
