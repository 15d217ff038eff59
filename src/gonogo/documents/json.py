"""JSON as others write it, made safe for what comes after."""

from __future__ import annotations

import json
import re
from typing import Any

from gonogo.documents.limits import MAX_SYMBOLS

_TEXT = re.compile(r"\"(?:[^\"\\]++|\\.)*+\"?", re.DOTALL)


def parse_json(text: str, most_values: int = MAX_SYMBOLS) -> Any:
    """Read JSON; half surrogate pairs, which no file and no terminal takes, become question marks.

    Args:
        text: the JSON.
        most_values: how many keys and values it may have: each takes a hundred times the memory of its text.

    Raises:
        ValueError: not JSON, nested too deeply, of too many values, or a number of thousands of digits.
    """
    if len(text) > most_values:
        bare = _TEXT.sub("", text)
        if sum(bare.count(sign) for sign in ",:[{") > most_values:
            raise ValueError(f"more than {most_values:,} values")
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
