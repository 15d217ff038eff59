"""The key that a reviewer's server wants."""

from __future__ import annotations

import os

from gonogo.model.options import AiOptions


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
