"""How many tokens a model can hold.

The caller, the server's list of models or the server's refusal says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# By what name lists of models have it: vLLM, OpenRouter and Together, Groq, LM Studio, llama.cpp, SGLang, Google.
NAMES = ("max_model_len", "context_length", "context_window", "loaded_context_length", "max_context_length", "n_ctx", "inputTokenLimit")
FEWEST, MOST = 256, 100_000_000
# As OpenAI, vLLM and LM Studio, llama.cpp, Anthropic, Google, and Text Generation Inference refuse what is too long.
_LIMITS = tuple(
    re.compile(rf"{before}(?<![\d,])(\d[\d,]{{2,}})", re.IGNORECASE)
    for before in (
        r"n_ctx\W{1,6}",
        r"context (?:length|size|window)[^\d\n]{0,30}",
        r"tokens? *> *",
        r"maximum number of (?:input )?tokens[^\d\n]{0,20}",
        r"tokens?\W[^\n]{0,40}must be (?:<=|at most|less than) *",
    )
)
_TOO_LONG = re.compile(r"context|too (?:long|many tokens)|prompt is|input is|maximum|exceed|n_ctx|token", re.I)


class TooLongError(Exception):
    """The server says that it was asked with more than the model holds.

    Attributes:
        limit: tokens that it holds, None where the server does not say.
    """

    def __init__(self, limit: int | None) -> None:
        super().__init__("the prompt is longer than the model's context")
        self.limit = limit


def in_list(models: Iterable[Mapping[str, Any]], name: str | None) -> int | None:
    """Return the context size of a model in a server's list, or None where it does not say.

    A server of one model may give it any name.
    """
    entries = [entry for entry in models if isinstance(entry, Mapping)]
    for entry in [entry for entry in entries if entry.get("id") == name] or (entries if len(entries) == 1 else []):
        for place in (entry, *(entry[key] for key in ("meta", "top_provider") if isinstance(entry.get(key), Mapping))):
            for key in NAMES:
                value = place.get(key)
                if isinstance(value, int) and not isinstance(value, bool) and FEWEST <= value <= MOST:
                    return value
    return None


def in_refusal(text: str) -> TooLongError | None:
    """What a server's refusal says of the context, None where it is about something else."""
    text = text[:2000]
    if not _TOO_LONG.search(text):
        return None
    for pattern in _LIMITS:
        found = pattern.search(text)
        if found is not None and FEWEST <= int(found[1].replace(",", "")) <= MOST:
            return TooLongError(int(found[1].replace(",", "")))
    return TooLongError(None) if re.search(r"context (?:length|size|window)|too long|too many tokens", text, re.I) else None
