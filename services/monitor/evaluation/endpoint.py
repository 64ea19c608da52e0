"""An OpenAI-compatible endpoint, through OpenAI's own client. This module alone imports it; it takes a second to load.

The call is chat.completions, which every compatible server knows. A server that ignores the schema is no trouble: what
comes back is validated all the same.
"""

from typing import Any

import openai
from openai import AsyncOpenAI

from services.monitor.evaluation.answer import SCHEMA
from services.monitor.evaluation.config import EvaluationSettings
from services.monitor.evaluation.model import Completion, EndpointFailed

_FORMATS: dict[str, dict[str, Any]] = {
    "json_schema": {"type": "json_schema", "json_schema": {"name": "advice", "strict": True, "schema": SCHEMA}},
    "json_object": {"type": "json_object"},
    "text": {"type": "text"},
}


class OpenAiEndpoint:
    """An Endpoint. Tries again by itself where that may help: 408, 409, 429, 5xx and what did not connect."""

    def __init__(self, settings: EvaluationSettings) -> None:
        self._model = settings.llm_model
        self._options: dict[str, Any] = {
            settings.llm_tokens_field: settings.llm_max_tokens,
            "response_format": _FORMATS[settings.llm_response_format],
        }
        self._client = AsyncOpenAI(
            api_key=settings.read_llm_key(),
            base_url=settings.llm_base_url,
            timeout=settings.llm_timeout_seconds,
            max_retries=settings.llm_retries,
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.close()

    async def complete(self, system: str, user: str) -> Completion:
        """Ask once. Raises EndpointFailed."""
        try:
            answer: Any = await self._client.chat.completions.create(
                model=self._model,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
                **self._options,
            )
        except openai.APITimeoutError:
            raise EndpointFailed("it did not answer in time", may_cost=True) from None
        except openai.APIStatusError as error:
            raise EndpointFailed(f"HTTP {error.status_code}") from None
        except openai.APIConnectionError:
            raise EndpointFailed("it cannot be reached") from None
        except (openai.OpenAIError, ValueError) as error:
            raise EndpointFailed(f"its answer cannot be read: {type(error).__name__}", may_cost=True) from None
        return _completion(answer)


def _completion(answer: Any) -> Completion:
    """The first choice of a completion. Compatible servers leave out much of it, and some answer something else."""
    try:
        choice = answer.choices[0]
        message, usage = choice.message, answer.usage
        content, refusal = message.content, getattr(message, "refusal", None)
        if not isinstance(content, str | None) or not isinstance(refusal, str | None):
            raise TypeError("neither text nor nothing")
        (content or "").encode()  # half a character is no text
        return Completion(
            content=content or "",
            refused=bool(refusal) or choice.finish_reason == "content_filter",
            cut_off=choice.finish_reason == "length",
            input_tokens=None if usage is None else _count(usage.prompt_tokens),
            output_tokens=None if usage is None else _count(usage.completion_tokens),
        )
    except (AttributeError, IndexError, TypeError, ValueError):
        raise EndpointFailed("its answer is no completion", may_cost=True) from None


def _count(number: Any) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError("not a count")
    return number
