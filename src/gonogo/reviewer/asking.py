"""From a prompt to answers: the ladder of structured output, one repair, several samples, a cache and a budget."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.execution.environment import cache_folder
from gonogo.model.options import AiOptions
from gonogo.reviewer.claims import Answer, Invalid, parse, schema
from gonogo.reviewer.client import RUNGS, Client, OutageError, Reply, Rung, UnsupportedError

LAYOUT = 1  # of the cache; part of the key
CHARACTERS_A_TOKEN = 3  # fewer than models take for code: an estimate that errs on the dear side


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
    """What came of asking: answers, and why there are no more."""

    answers: list[Answer] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)
    problem: str = ""


class Asker:
    """Asks a client for answers.

    Args:
        client: the model; None where only the cache is to be asked.
        settings: the caller's choices.
    """

    def __init__(self, client: Client, settings: AiOptions) -> None:
        self._client = client
        self._settings = settings
        self._rungs = list(RUNGS)
        self._schema = schema()

    def ask(self, system: str, user: str) -> Asked:
        """Ask as often as the caller wants. What fails ends the asking; the answers until then stay."""
        asked = Asked()
        for sample in range(self._settings.samples):
            try:
                asked.answers.append(self._sample(system, user, sample, asked.spent))
            except (OutageError, BudgetError) as error:
                asked.problem = str(error)
                break
        return asked

    def _sample(self, system: str, user: str, sample: int, spent: Spent) -> Answer:
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
            said = [{"role": "assistant", "content": reply.text[:20_000]}] if reply.text else []
            again = f"That can't be used: {found.reason}. Answer once more, with nothing but one JSON object of the form asked for."
            found = _checked(self._complete([*messages, *said, {"role": "user", "content": again}], spent))
        if isinstance(found, Invalid):
            raise OutageError(f"its answers can't be used: {found.reason}")
        self._write(place, found)
        return found

    def _complete(self, messages: list[dict[str, str]], spent: Spent) -> Reply:
        """Ask on the highest rung that the server knows."""
        while True:
            rung = self._rungs[0]
            self._check_budget(messages, spent)
            try:
                reply = self._client.complete(_with_schema(messages, self._schema, rung), self._schema, rung)
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
        """Make sure that the dearest answer would still be within the budget.

        Raises:
            BudgetError: it would not.
        """
        settings, price = self._settings, self._settings.price()
        coming = sum(len(message["content"]) for message in messages) // CHARACTERS_A_TOKEN
        tokens = spent.input_tokens + spent.output_tokens + coming + settings.max_output_tokens
        if settings.budget_tokens is not None and tokens > settings.budget_tokens:
            raise BudgetError(f"asking could take {tokens} tokens, more than the budget of {settings.budget_tokens}")
        if settings.budget_usd is not None:
            if price is None:
                raise BudgetError(f"there is a budget in dollars, but no price of {settings.model} under [ai.prices]")
            usd = (spent.usd(settings) or 0.0) + (coming * price.input + settings.max_output_tokens * price.output) / 1e6
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

    def _write(self, place: Path, answer: Answer) -> None:
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
