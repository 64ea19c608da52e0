"""The one stream of kept events. Declared by the stack's administrator; services have no right to.

Invariants: declaring it again changes nothing that is the same; the duplicate window is longer than any publisher's
retry after a crash, so that a message sent twice is kept once.
"""

from dataclasses import replace

from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from services.common.subjects import STREAM, STREAM_SUBJECTS

MAX_AGE_DAYS = 7
DUPLICATE_WINDOW_SECONDS = 600.0
_MAX_BYTES = 4 * 1024**3
_MAX_MESSAGE_BYTES = 1024**2


async def declare_stream(js: JetStreamContext, *, replicas: int = 1) -> None:
    """Create the stream, or bring it to this shape; its messages stay. Raises nats-py's errors."""
    wanted = StreamConfig(
        name=STREAM,
        description="Facts of all services.",
        subjects=list(STREAM_SUBJECTS),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=MAX_AGE_DAYS * 86_400.0,
        max_bytes=_MAX_BYTES,
        max_msg_size=_MAX_MESSAGE_BYTES,
        num_replicas=replicas,
        duplicate_window=DUPLICATE_WINDOW_SECONDS,
        allow_direct=False,
    )
    try:
        info = await js.stream_info(STREAM)
    except NotFoundError:
        await js.add_stream(wanted)
        return
    # Only what is ours to say: the server fills in the rest with its own defaults.
    ours = {
        name: value
        for name in wanted.__dataclass_fields__
        if (value := getattr(wanted, name)) is not None and value != getattr(StreamConfig(), name)
    }
    merged = replace(info.config, **ours)
    if merged != info.config:
        await js.update_stream(merged)
