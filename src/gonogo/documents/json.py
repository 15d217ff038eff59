"""JSON as others write it, made safe for what comes after."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str) -> Any:
    """Read JSON; half surrogate pairs, which no file and no terminal takes, become question marks.

    Raises:
        ValueError: not JSON, nested too deeply, or a number of thousands of digits.
    """
    try:
        data = json.loads(text)
        return _whole(data) if "\\u" in text else data
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _whole(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "replace").decode("utf-8")
    if isinstance(data, list):
        return [_whole(entry) for entry in data]
    if isinstance(data, dict):
        return {_whole(key): _whole(value) for key, value in data.items()}
    return data
