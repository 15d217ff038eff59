"""The one other way to select a run that the shared config shows.

It is used where Hydra rejects the documented way.

What else is wrong shows only in a config that composes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gonogo.documents.yaml import parse_yaml


def shown_selection(
    option: str, run_id: str, folder: str, config_name: str, without_run: dict[str, Any] | None, texts: Callable[[str], str | None]
) -> str | None:
    """Return the override that selects a run in the one other way that the shared config shows.

    None if it shows none.

    Args:
        option: the documented override's key, `run`.
        run_id: the run.
        folder: of the configs.
        config_name: of the shared config.
        without_run: the config as it composes without a run, None if it does not.
        texts: the text of a file by path, None if there is none.
    """
    key = f"{option}_id"
    if without_run is not None:  # a key that waits for the run's id
        return f"{key}={run_id}" if key in without_run and without_run[key] in (None, "???") else None
    stem = f"{folder}/{config_name.removesuffix('.yaml')}"
    defaults = parse_yaml(texts(f"{stem}.yaml") or texts(f"{stem}.yml") or "").get(("defaults",), [])
    pairs = [pair for entry in defaults if isinstance(entry, dict) for pair in entry.items()] if isinstance(defaults, list) else []
    # A group whose choice is to come from a key of the config, which Hydra does not do: `runs: ${run}`.
    groups = [str(group).split(" ")[-1].strip("/") for group, choice in pairs if isinstance(choice, str) and "${" in choice]
    found = [group for group in groups if any(texts(f"{folder}/{group}/{run_id}{suffix}") is not None for suffix in (".yaml", ".yml"))]
    return f"{found[0]}={run_id}" if len(found) == 1 else None
