"""Asking a language model: one method behind which any provider can stand, and the OpenAI SDK behind it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gonogo.model.errors import UsageError
from gonogo.model.options import AiOptions
from gonogo.reviewer.key import find_key

Rung = Literal["schema", "object", "text"]
RUNGS: tuple[Rung, ...] = ("schema", "object", "text")
NO_KEY = "none"  # servers on this machine ask for none, but the SDK does


class OutageError(Exception):
    """The model could not be asked, or did not answer; the text says why, and has no key in it."""


class UnsupportedError(Exception):
    """The server does not know this form of structured output."""


@dataclass(frozen=True)
class Reply:
    """One reply of a model.

    Attributes:
        truncated: it ran into the limit of its length.
        refused: it said that it won't answer.
    """

    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    truncated: bool = False
    refused: bool = False


class Client(Protocol):
    """A model that can be asked."""

    def complete(self, messages: list[dict[str, str]], schema: dict[str, Any], rung: Rung) -> Reply:
        """Ask once.

        Args:
            messages: as OpenAI's chat has them.
            schema: of the answer.
            rung: in which form the answer is asked for.

        Raises:
            OutageError: there is no reply.
            UnsupportedError: the server does not know this form.
        """
        ...


class OpenAIClient:
    """Any server that speaks OpenAI's chat completions, by OpenAI's own SDK, which also waits and tries again on 429 and 5xx.

    Raises:
        UsageError: no model is named, the SDK is not installed, or there is no key for OpenAI's own server.
    """

    def __init__(self, settings: AiOptions) -> None:
        if settings.model is None:
            raise UsageError("The AI reviewer needs a model: --ai-model NAME, or model under [ai] in the policy.")
        try:
            import openai
        except ImportError as error:
            raise UsageError("The AI reviewer needs the OpenAI SDK: install gonogo[ai].") from error
        key = find_key(settings)
        if key is None and settings.base_url is None:
            raise UsageError(
                f"The AI reviewer needs a key: set {settings.key_variable}, or name a server that asks for none with --ai-url."
            )
        self._settings = settings
        self._openai = openai
        self._client = openai.OpenAI(
            api_key=key or NO_KEY, base_url=settings.base_url, timeout=settings.timeout, max_retries=settings.retries
        )

    def complete(self, messages: list[dict[str, str]], schema: dict[str, Any], rung: Rung) -> Reply:
        """Ask once.

        Raises:
            OutageError: there is no reply.
            UnsupportedError: the server does not know this form.
        """
        started = time.monotonic()
        openai = self._openai
        try:
            create: Any = self._client.chat.completions.create
            done = create(model=self._settings.model, messages=messages, **self._parameters(schema, rung))
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if rung != "text" and _speaks_of_form(str(error)):
                raise UnsupportedError from error
            raise OutageError(f"the server refused the request: {_short(error)}") from error
        except openai.APITimeoutError as error:
            raise OutageError(f"no answer within {self._settings.timeout:g} s") from error
        except openai.APIConnectionError as error:
            raise OutageError(f"the server can't be reached: {_short(error.__cause__ or error)}") from error
        except openai.APIStatusError as error:
            raise OutageError(f"the server answered with status {error.status_code}") from error
        except openai.OpenAIError as error:
            raise OutageError(_short(error)) from error
        except ValueError as error:
            raise OutageError("the server's answer was no JSON") from error
        if not getattr(done, "choices", None):
            raise OutageError("the server's answer has no choice in it")
        choice, usage = done.choices[0], getattr(done, "usage", None)
        return Reply(
            text=choice.message.content or "",
            input_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            output_tokens=getattr(usage, "completion_tokens", 0) or 0,
            seconds=round(time.monotonic() - started, 3),
            truncated=choice.finish_reason == "length",
            refused=bool(getattr(choice.message, "refusal", None)),
        )

    def _parameters(self, schema: dict[str, Any], rung: Rung) -> dict[str, Any]:
        settings = self._settings
        given: dict[str, Any] = {}
        if rung == "schema":
            given["response_format"] = {"type": "json_schema", "json_schema": {"name": "review", "schema": schema, "strict": True}}
        elif rung == "object":
            given["response_format"] = {"type": "json_object"}
        if settings.effort is not None:
            given["reasoning_effort"] = settings.effort
        if settings.temperature is not None:
            given["temperature"] = settings.temperature
        given["max_completion_tokens" if settings.base_url is None else "max_tokens"] = settings.max_output_tokens
        return given


def _speaks_of_form(message: str) -> bool:
    return any(word in message for word in ("response_format", "json_schema", "json_object", "structured", "guided"))


def _short(error: object) -> str:
    return " ".join(str(error).split())[:300]
