"""From a prompt to answers.

This has the ladder of structured output, one repair, several samples, a cache and a budget.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.execution.environment import cache_folder
from gonogo.model.options import AiOptions
from gonogo.reviewer.claims import Answer, Invalid, parse, schema
from gonogo.reviewer.client import RUNGS, Client, Reply, Rung, UnsupportedError
from gonogo.reviewer.context import TooLongError
from gonogo.reviewer.deadline import Deadline, OutageError
from gonogo.reviewer.prompt import Prompt

LAYOUT = 1  # of the cache; part of the key
CHARACTERS_A_TOKEN = 3  # fewer than models take for code: an estimate that errs on the expensive side
CHARACTERS_OF_CONTEXT = 2.5  # still fewer: small models split numbers and blanks
ANSWERS_SHARE = 4  # an answer gets at most a fourth of a context
SURROUNDINGS = 400  # characters around what the prompt says: roles, a request to repair
MOST_OF_BAD_REPLY = 20_000
MOST_CUTS = 4  # attempts to find out how much a model holds
SMALLER = 0.7  # of the context that was too large after all


class BudgetError(Exception):
    """Asking once more could cost more than is allowed."""


@dataclass
class Spent:
    """What a review took.

    Attributes:
        rung: the form of structured output that worked last.
        repairs: answers that had to be asked for once more.
        cached: answers that were there already.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    rung: str = ""
    calls: int = 0
    repairs: int = 0
    cached: int = 0

    def usd(self, settings: AiOptions) -> float | None:
        """The price, None where it is not known."""
        price = settings.price()
        if price is None:
            return None
        return round((self.input_tokens * price.input + self.output_tokens * price.output) / 1e6, 6)


@dataclass
class Asked:
    """What came of asking: answers, and why there are no more.

    Attributes:
        context_tokens: what the model holds, None where that is not known.
        left_out: what the prompt had no room for.
    """

    answers: list[Answer] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    problem: str = ""
    context_tokens: int | None = None
    left_out: list[str] = field(default_factory=list)


class Asker:
    """Asks a client for answers.

    Args:
        client: the model.
        settings: the caller's choices.
        deadline: of all asking together.
        write: makes a prompt of at most so many characters.
    """

    def __init__(self, client: Client, settings: AiOptions, deadline: Deadline, write: Callable[[int], Prompt]) -> None:
        self._client = client
        self._settings = settings
        self._deadline = deadline
        self._write = write
        self._rungs = list(RUNGS)
        self._schema = schema()
        self._most_tokens = settings.max_output_tokens
        self._prompt: Prompt | None = None

    def ask(self) -> Asked:
        """Ask as often as the caller wants. What fails ends the asking; the answers until then stay."""
        asked = Asked()
        self._fit(self._settings.context_tokens or self._client.context(self._deadline))
        for sample in range(self._settings.samples):
            try:
                asked.answers.append(self._sample(sample, asked.spent))
            except (OutageError, BudgetError) as error:
                asked.problem = str(error)
                break
        asked.context_tokens, asked.left_out = self._context, self._prompt.left_out if self._prompt is not None else []
        return asked

    def _fit(self, context: int | None) -> None:
        """Write the prompt so that it and an answer fit into a context of a given number of tokens.

        The context is None where its size is not known.
        """
        self._context = context
        most = self._settings.max_input_characters
        if context is not None:
            self._most_tokens = min(self._settings.max_output_tokens, context // ANSWERS_SHARE)
            form = len(json.dumps(self._schema)) + SURROUNDINGS
            most = min(most, max(0, int((context - self._most_tokens) * CHARACTERS_OF_CONTEXT) - form))
        self._prompt = self._write(most)

    def _sample(self, sample: int, spent: Spent) -> Answer:
        for _ in range(MOST_CUTS):
            try:
                return self._one(sample, spent)
            except TooLongError as error:
                before = len(self._prompt.user) if self._prompt is not None else 0
                half = int(before / CHARACTERS_OF_CONTEXT) // 2
                self._fit(min(error.limit or half, int(self._context * SMALLER) if self._context is not None else error.limit or half))
        raise OutageError("the model's context is too small for what it must be told")

    def _one(self, sample: int, spent: Spent) -> Answer:
        assert self._prompt is not None
        system, user = self._prompt.system, self._prompt.user
        place = self._place(system, user, sample)
        kept = self._read(place)
        if kept is not None:
            spent.cached += 1
            return kept
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        reply = self._complete(messages, spent)
        found = _checked(reply)
        if isinstance(found, Invalid):
            spent.repairs += 1
            if not reply.text.lstrip().startswith("{"):
                self._rungs = self._rungs[-1:]  # it may know no form, and say nothing: tell it in words
            said = [{"role": "assistant", "content": reply.text[:MOST_OF_BAD_REPLY]}] if reply.text else []
            again = f"That can't be used: {found.reason}. Answer once more, with nothing but one JSON object of the form asked for."
            found = _checked(self._complete([*messages, *said, {"role": "user", "content": again}], spent))
        if isinstance(found, Invalid):
            raise OutageError(f"its answers can't be used: {found.reason}")
        found = self._client.secrets.hide_in(found)
        self._write_down(place, found)
        return found

    def _complete(self, messages: list[dict[str, str]], spent: Spent) -> Reply:
        """Ask on the highest rung that the server knows."""
        while True:
            rung = self._rungs[0]
            self._check_budget(messages, spent)
            asked = _with_schema(messages, self._schema, rung)
            try:
                reply = self._client.complete(asked, self._schema, rung, self._most_tokens, self._deadline)
            except UnsupportedError:
                del self._rungs[0]
                continue
            spent.calls += 1
            spent.rung = rung
            spent.input_tokens += reply.input_tokens
            spent.output_tokens += reply.output_tokens
            spent.seconds = round(spent.seconds + reply.seconds, 3)
            if reply.refused:
                raise OutageError("the model refused to answer")
            return reply

    def _check_budget(self, messages: list[dict[str, str]], spent: Spent) -> None:
        """Make sure that the most expensive answer would still be within the budget.

        Raises:
            BudgetError: it would not.
        """
        settings, price = self._settings, self._settings.price()
        coming = sum(len(message["content"]) for message in messages) // CHARACTERS_A_TOKEN
        tokens = spent.input_tokens + spent.output_tokens + coming + self._most_tokens
        if settings.budget_tokens is not None and tokens > settings.budget_tokens:
            raise BudgetError(f"asking could take {tokens} tokens, more than the budget of {settings.budget_tokens}")
        if settings.budget_usd is not None:
            if price is None:
                raise BudgetError(f"there is a budget in dollars, but no price of {settings.model} under [ai.prices]")
            usd = (spent.usd(settings) or 0.0) + (coming * price.input + self._most_tokens * price.output) / 1e6
            if usd > settings.budget_usd:
                raise BudgetError(f"asking could cost ${usd:.4f}, more than the budget of ${settings.budget_usd:g}")

    def _place(self, system: str, user: str, sample: int) -> Path:
        settings = self._settings
        asked = [LAYOUT, settings.model, settings.base_url, settings.effort, settings.temperature, self._schema, system, user, sample]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return cache_folder() / "reviews" / f"{digest}.json"

    def _read(self, place: Path) -> Answer | None:
        if not self._settings.cache:
            return None
        try:
            found = parse(place.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            return None
        return found if isinstance(found, Answer) else None

    def _write_down(self, place: Path, answer: Answer) -> None:
        if not self._settings.cache:
            return
        part = place.with_name(f"{place.name}.{os.getpid()}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(answer.model_dump_json(), "utf-8")
            part.replace(place)
        except OSError:
            part.unlink(missing_ok=True)  # a cache that can't be written only costs money


def _checked(reply: Reply) -> Answer | Invalid:
    if reply.truncated:
        return Invalid("it was cut off at the limit of its length; name the worst faults only")
    return parse(reply.text)


def _with_schema(messages: list[dict[str, str]], wanted: dict[str, Any], rung: Rung) -> list[dict[str, str]]:
    """Below the highest rung the model is told the form in words."""
    if rung == "schema":
        return messages
    form = f"\n\nAnswer with one JSON object and nothing else. Its JSON schema:\n{json.dumps(wanted)}"
    first, *others = messages
    return [{**first, "content": first["content"] + form}, *others]
