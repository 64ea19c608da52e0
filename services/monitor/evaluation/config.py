"""The settings of evaluation: its cadence, how far it may go, and the model that is asked."""

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator

from services.common.config import File, Settings, split_url


class EvaluationSettings(Settings):
    """Without LLM_BASE_URL the rules are asked alone, and no part of the client of models is loaded."""

    evaluation_seconds: PositiveFloat = Field(30, description="seconds, above 0: between two looks at a position")
    evaluation_forced_seconds: PositiveFloat = Field(
        300, description="seconds, above 0: after so long it is evaluated although nothing has changed"
    )
    evaluation_candle_minutes: Literal[1, 3, 5, 15, 30, 60] = Field(5, description="1, 3, 5, 15, 30 or 60 minutes")
    evaluation_liquidation_seconds: PositiveFloat = Field(
        120, description="seconds, above 0: between two questions for a user's liquidation prices"
    )
    evaluations_in_flight: PositiveInt = Field(
        200, description="a whole number above 0: evaluations waited for at once"
    )
    evaluations_kept_days: PositiveInt = Field(14, description="days, above 0: how long evaluations are kept")
    advisor_default_mode: Literal["off", "advise", "act"] = Field(
        "act", description="off, advise or act: how far the advisor may go for users who have not said it themselves"
    )
    ai_close_confidence: int = Field(70, ge=0, le=100, description="0 to 100: what a close needs to be acted on")
    ai_cool_down_seconds: PositiveFloat = Field(120, description="seconds, above 0: between two moves of a position")
    ai_daily_actions: PositiveInt = Field(12, description="a whole number above 0: acts on one position a day (UTC)")

    llm_base_url: str | None = Field(None, description="http(s)://host/v1 of an OpenAI-compatible endpoint")
    llm_model: str = Field("gpt-4.1-mini", min_length=1, description="the name of a model of that endpoint")
    llm_api_key: SecretStr | None = Field(None, description="the endpoint's key, as the secret file llm_api_key")
    llm_api_key_file: File | None = Field(None, description="a file that holds the endpoint's key")
    llm_timeout_seconds: PositiveFloat = Field(20, description="seconds, above 0: for one answer, tries included")
    llm_retries: int = Field(1, ge=0, le=5, description="0 to 5: more tries after a passing failure")
    llm_max_tokens: PositiveInt = Field(300, description="a whole number above 0: the most that an answer may have")
    llm_tokens_field: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="max_tokens or max_completion_tokens: what the endpoint calls that limit"
    )
    llm_response_format: Literal["json_schema", "json_object", "text"] = Field(
        "json_schema", description="json_schema, json_object or text: what the endpoint can be held to"
    )
    llm_input_usd_per_million: Decimal = Field(Decimal(0), ge=0, description="US dollars for a million input tokens")
    llm_output_usd_per_million: Decimal = Field(Decimal(0), ge=0, description="US dollars for a million output tokens")
    llm_daily_budget_usd: Decimal = Field(Decimal(5), ge=0, description="US dollars a day (UTC), for all users")
    llm_user_daily_budget_usd: Decimal = Field(Decimal(1), ge=0, description="US dollars a day (UTC), for one user")
    llm_breaker_failures: PositiveInt = Field(5, description="a whole number above 0: failures that open the breaker")
    llm_breaker_seconds: PositiveFloat = Field(60, description="seconds, above 0: how long it stays open")

    @field_validator("llm_base_url")
    @classmethod
    def _endpoint_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        expected = "expected http(s)://host/v1, without credentials"
        parts = split_url(value, expected)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError(expected)
        return value

    def read_llm_key(self) -> str:
        """The endpoint's key; `none` where it takes none. Raises OSError where the file cannot be read."""
        if self.llm_api_key_file is not None:
            return Path(self.llm_api_key_file).read_text(encoding="utf-8").strip()
        return "none" if self.llm_api_key is None else self.llm_api_key.get_secret_value()
