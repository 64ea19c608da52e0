"""Carries a closing one state further, from wherever it stands."""

from services.monitor.closing.booking import book, finish
from services.monitor.closing.parts import Parts
from services.monitor.closing.resolving import resolve
from services.monitor.closing.sending import send, send_first
from services.monitor.domain.intent import Intent, IntentState


async def step(parts: Parts, intent: Intent, *, checked: bool) -> Intent:
    """The next state of an intent, or the next attempt. `checked`: it was begun here just now, by what the books had
    said: its first order need not wait for them, and if it is SENT already, nothing was sent yet."""
    match intent.state:
        case IntentState.PREPARED:
            return await send(parts, intent, checked=checked)
        case IntentState.SENT if checked:
            return await send_first(parts, intent)
        case IntentState.SENT:
            return await resolve(parts, intent)
        case IntentState.FILLED:
            return await book(parts, intent)
        case IntentState.BOOKED:
            return await finish(parts, intent)
        case IntentState.DONE | IntentState.FAILED:
            return intent
