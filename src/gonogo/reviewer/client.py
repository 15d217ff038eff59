"""Requests to a language model.

There is one method behind which any provider can stand, and the OpenAI SDK as one of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gonogo.model.errors import UsageError
from gonogo.model.options import AiOptions
from gonogo.reviewer import context
from gonogo.reviewer.deadline import Deadline, OutageError
from gonogo.reviewer.key import Secrets, find_key

Rung = Literal["schema", "object", "text"]
RUNGS: tuple[Rung, ...] = ("schema", "object", "text")
NO_KEY = "none"  # servers on this machine ask for none, but the SDK does
MOST_BYTES = 4_000_000  # of an answer
MOST_WAIT = 5.0  # seconds for a list of models, which need not be there


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

    secrets: Secrets

    def complete(self, messages: list[dict[str, str]], schema: dict[str, Any], rung: Rung, most_tokens: int, deadline: Deadline) -> Reply:
        """Ask once.

        Args:
            messages: as OpenAI's chat has them.
            schema: of the answer.
            rung: in which form the answer is asked for.
            most_tokens: of the answer.
            deadline: by when it must be there.

        Raises:
            OutageError: there is no reply.
            UnsupportedError: the server does not know this form.
            TooLongError: the messages are longer than the model's context.
        """
        ...

    def context(self, deadline: Deadline) -> int | None:
        """How many tokens the model holds, if the server says so unasked."""
        ...

    def close(self) -> None:
        """End its connections."""
        ...


class _Stop(BaseException):
    """Ends a request for good.

    It is not an Exception, since the SDK would take that for a lost connection and try again.
    """


class OpenAIClient:
    """A client for any server that supports OpenAI's chat completions.

    It uses OpenAI's own SDK, which also waits and tries again on 429 and 5xx.

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
        self.secrets = Secrets(key, settings.base_url)
        self._settings = settings
        self._openai = openai
        self._deadline = Deadline(0.0)
        hooks: Any = {"request": [self._before], "response": [self._after]}
        # Redirects are refused: they would take the experiment's code, and perhaps the key, to another server.
        http = openai.DefaultHttpxClient(follow_redirects=False, event_hooks=hooks)
        self._client = openai.OpenAI(
            api_key=key or NO_KEY, base_url=settings.base_url, max_retries=settings.retries, http_client=http,
            default_headers={"Accept-Encoding": "identity"},
        )  # fmt: skip

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def _before(self, request: Any) -> None:
        if not self._deadline.left:
            raise _Stop

    def _after(self, response: Any) -> None:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _Stop("the server's answer is compressed, which it was not asked for")
        response.stream = _bounded(type(response.stream), response.stream, self._deadline)

    def complete(self, messages: list[dict[str, str]], schema: dict[str, Any], rung: Rung, most_tokens: int, deadline: Deadline) -> Reply:
        """Ask once.

        Raises:
            OutageError: there is no reply.
            UnsupportedError: the server does not know this form.
            TooLongError: the messages are longer than the model's context.
        """
        self._deadline = deadline
        started = time.monotonic()
        parameters = self._parameters(schema, rung, most_tokens)

        def ask() -> Any:
            create: Any = self._client.chat.completions.create
            return create(model=self._settings.model, messages=messages, timeout=max(deadline.left, 0.001), **parameters)

        done = self._asked(ask, rung, deadline)
        if not getattr(done, "choices", None):
            raise OutageError("the server's answer has no choice in it")
        choice, usage = done.choices[0], getattr(done, "usage", None)
        return Reply(
            text=self.secrets.hide(choice.message.content or ""),
            input_tokens=getattr(usage, "prompt_tokens", 0) or 0,
            output_tokens=getattr(usage, "completion_tokens", 0) or 0,
            seconds=round(time.monotonic() - started, 3),
            truncated=choice.finish_reason == "length",
            refused=bool(getattr(choice.message, "refusal", None)),
        )

    def _asked(self, ask: Any, rung: Rung, deadline: Deadline) -> Any:
        """Return what the server answers.

        No error keeps the SDK's error as its cause, since its headers and texts may hold the key.
        """
        openai = self._openai
        late = f"no answer within {deadline.seconds:g} s"
        try:
            return deadline.within(ask)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            if rung != "text" and _speaks_of_form(str(error)):
                raise UnsupportedError from None
            too_long = context.in_refusal(str(error))
            if too_long is not None:
                raise too_long from None
            raise OutageError(f"the server refused the request: {self._short(error)}") from None
        except openai.APITimeoutError:
            raise OutageError(late) from None
        except openai.APIConnectionError as error:
            raise OutageError(f"the server can't be reached: {self._short(error.__cause__ or error)}") from None
        except openai.APIStatusError as error:
            too_long = context.in_refusal(str(error)) if error.status_code == 413 else None
            if too_long is not None:
                raise too_long from None
            moved = ", a redirect, which is not followed" if 300 <= error.status_code < 400 else ""
            raise OutageError(f"the server answered with status {error.status_code}{moved}") from None
        except openai.OpenAIError as error:
            raise OutageError(self._short(error)) from None
        except ValueError:
            raise OutageError("the server's answer was no JSON") from None
        except _Stop as stop:
            raise OutageError(str(stop) or late) from None

    def context(self, deadline: Deadline) -> int | None:
        """How many tokens the model holds, if the server's list of models says so; OpenAI's own does not."""
        if self._settings.base_url is None:
            return None
        self._deadline = Deadline(min(MOST_WAIT, deadline.left))
        try:
            listed = self._deadline.within(self._client.with_options(max_retries=0, timeout=MOST_WAIT).models.list)
            return context.in_list((model.model_dump() for model in listed.data), self._settings.model)
        except (OutageError, _Stop, self._openai.OpenAIError, ValueError, AttributeError, TypeError):
            return None  # a server without such a list, or with one of another form

    def _short(self, error: object) -> str:
        return " ".join(self.secrets.hide(str(error)).split())[:300]

    def _parameters(self, schema: dict[str, Any], rung: Rung, most_tokens: int) -> dict[str, Any]:
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
        given["max_completion_tokens" if settings.base_url is None else "max_tokens"] = most_tokens
        return given


def _bounded(kind: type, stream: Any, deadline: Deadline) -> Any:
    """Return a response's stream that ends with the deadline and at `MOST_BYTES`.

    It is of the class that the SDK's HTTP library expects.
    """

    class Bounded(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            """Everything is the other stream's."""

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for chunk in stream:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise _Stop(f"the server's answer is longer than {MOST_BYTES // 1_000_000} MB")
                if not deadline.left:
                    raise _Stop
                yield chunk

        def close(self) -> None:
            stream.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(stream, name)  # the time that it took, for one

    return Bounded()


def _speaks_of_form(message: str) -> bool:
    return any(word in message for word in ("response_format", "json_schema", "json_object", "structured", "guided"))
