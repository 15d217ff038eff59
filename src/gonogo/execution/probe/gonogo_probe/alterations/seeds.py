"""Other seeds: those of the config where it has any, else those that the experiment's own code sets.

A seed of the config is the same for all runs from then on: methods that differ by their seeds alone then have the same numbers.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from .. import alterations

SHIFT = 1000
_NAME = re.compile(r"(?:^|_)(?:seeds?|random_state)$", re.IGNORECASE)
_OF_DATA = re.compile(r"split|data|fold|subset|stream|corrupt|shuffle", re.IGNORECASE)  # other data are another question
_in_config = False


def is_seed(name: str) -> bool:
    """Whether a config key says a seed."""
    return _NAME.search(name) is not None and _OF_DATA.search(name) is None


def of_config(value: Any, where: str) -> Any:
    """Return another seed in place of one in the config, or None where the value is no seed.

    It is the same for all configs that have it in one place.
    """
    global _in_config
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    _in_config = True
    alterations.count(alterations.SEED)
    other = SHIFT + zlib.crc32(where.encode()) % SHIFT
    return other if other != value else other + SHIFT


def of_call(value: Any) -> Any:
    """Another seed in place of one that the code sets, unless the config's were altered."""
    if _in_config or isinstance(value, bool) or not isinstance(value, int):
        return value
    alterations.count(alterations.SEED)
    return value + SHIFT
