"""What the caller chose for the AI reviewer: the `[ai]` table of a policy file, and options of the command line."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Price(BaseModel):
    """US dollars for a million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class AiSettings(BaseModel):
    """How the reviewer is asked. A key is never among these: it comes from the environment or the keyring.

    Attributes:
        key_variable: the environment variable with the key; `keyring_service`: the service under which the keyring has it.
        samples: how often it is asked; a claim counts if most of the answers make it.
        budget_usd: what one review may cost at most; `budget_tokens`: how many tokens it may take, both ways together.
        templates: a folder with templates instead of gonogo's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["off", "advise", "block"] = "off"
    model: Text | None = None
    base_url: Text | None = None
    key_variable: Text = "OPENAI_API_KEY"
    keyring_service: Text = "gonogo"
    effort: Text | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    samples: int = Field(default=1, ge=1, le=9)
    max_output_tokens: int = Field(default=8000, ge=100)
    max_input_characters: int = Field(default=400_000, ge=1000)
    timeout: float = Field(default=180.0, gt=0)
    retries: int = Field(default=3, ge=0, le=10)
    budget_usd: float | None = Field(default=None, ge=0)
    budget_tokens: int | None = Field(default=None, ge=0)
    prices: dict[str, Price] = {}
    templates: Text | None = None
    cache: bool = True

    def price(self) -> Price | None:
        """The model's price, None where nobody said it."""
        return self.prices.get(self.model or "")


def find_key(settings: AiSettings) -> str | None:
    """The key, from the environment, else from the keyring if that is installed; None if there is none."""
    key = os.environ.get(settings.key_variable, "").strip()
    if key:
        return key
    try:
        import keyring
    except ImportError:
        return None
    try:
        return keyring.get_password(settings.keyring_service, settings.key_variable) or None
    except keyring.errors.KeyringError:
        return None  # no keyring on this machine, or a locked one
