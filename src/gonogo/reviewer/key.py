"""The key that a reviewer's server wants, which no text of ours may have in it."""

from __future__ import annotations

import base64
import os
from urllib.parse import quote, urlsplit

from gonogo.model.options import AiOptions
from gonogo.reviewer.claims import Answer

SHORTEST = 6  # characters: what is shorter is no secret, and would be found everywhere
HIDDEN = "[key]"


def find_key(options: AiOptions) -> str | None:
    """The key, from the environment, else from the keyring if that is installed; None if there is none."""
    key = os.environ.get(options.key_variable, "").strip()
    if key:
        return key
    try:
        import keyring
    except ImportError:
        return None
    try:
        return keyring.get_password(options.keyring_service, options.key_variable) or None
    except keyring.errors.KeyringError:
        return None  # no keyring on this machine, or a locked one


class Secrets:
    """What must not be told: the key, and a password in the server's address.

    Args:
        key: None where there is none.
        url: of the server.
    """

    def __init__(self, key: str | None, url: str | None) -> None:
        plain = [secret for secret in (key, urlsplit(url or "").password) if secret and len(secret) >= SHORTEST]
        written = {form for secret in plain for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode())}
        self._forms = sorted(written, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """A text with a mark in the place of each secret, as it is or as addresses and headers write it."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text

    def hide_in(self, answer: Answer) -> Answer:
        """An answer without secrets: its texts were escaped when it came."""
        if not any(form in text for form in self._forms for claim in answer.claims for text in claim.texts()):
            return answer
        claims = [
            claim.model_copy(update={name: self.hide(value) for name, value in claim if isinstance(value, str)}) for claim in answer.claims
        ]
        return Answer(claims=claims)
