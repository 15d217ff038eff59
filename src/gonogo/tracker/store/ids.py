"""Ids that clients keep and send back: a kind and a number, in base64 as W&B has them."""

from __future__ import annotations

import base64
import binascii

from gonogo.tracker.store.runs import RefusedError


def make(kind: str, number: int) -> str:
    """The id of the thing of a kind with a number."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def read(kind: str, text: str) -> int:
    """The number in an id.

    Raises:
        RefusedError: It is not an id of that kind.
    """
    try:
        found, _, number = base64.b64decode(text, validate=True).decode().partition(":")
        if found == kind:
            return int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        pass
    raise RefusedError(f"{text[:80]!r} is not the id of a {kind}")


def kind_of(text: str) -> str:
    """The kind in an id; nothing for what is no id."""
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""
