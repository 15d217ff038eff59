"""Numbers of an evaluation that do not exist, where that may be for the data that the gate made up."""

from __future__ import annotations

import json
from typing import Any

from gonogo.analysis.numbers.put_away import PutAway, put_away
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import imported_modules
from gonogo.engine.facts import Facts
from gonogo.execution.observations import SessionSeen
from gonogo.execution.results import BROKEN, json_problem
from gonogo.model.contract import Contract, module_path

MOST = 3


def no_numbers(session: SessionSeen, facts: Facts) -> list[str]:
    """Say which numbers an evaluation did not come by on made-up data or weights.

    Whether they exist on real data is not known, however the evaluation writes that they do not: as NaN, as null, or not at all.

    Args:
        session: a trial or rehearsal.
        facts: of the experiment.
    """
    if session.evaluation is None or not session.evaluation.ok or not session.made_up:
        return []
    problems = {path: json_problem(text) for path, text in session.texts.items()}
    found = [path for path, problem in problems.items() if problem not in ("", BROKEN)]
    if found:
        return [f"the evaluation writes {problems[found[0]]} into {', '.join(found[:MOST])}, which may be for the made-up data"]
    return _put_away(session, facts)


def _put_away(session: SessionSeen, facts: Facts) -> list[str]:
    """Nulls, and keys that are left out, where the code puts NaN away."""
    contract: Contract = facts.get("contract")
    modules: dict[str, Module] = facts.get("modules")
    module = modules.get(module_path(contract.evaluation.module))
    if module is None:
        return []
    near = imported_modules(module, modules)
    away = put_away([module, *(other for other in modules.values() if other.name in near and other is not module)])
    keys: set[str] = set()
    nulls: dict[str, str] = {}
    for path, text in session.texts.items():
        alone, listed = _entries(_parsed(text))
        keys.update(alone, listed)
        # A column of a history is null in the rows in which it was not logged: in a list, only what is null throughout counts.
        nulls |= {key: path for key in (*alone, *listed) if None in alone.get(key, ()) or set(listed.get(key, ())) == {None}}
    said = [_null(key, path, away) for key, path in nulls.items()]
    gone = {key: place for key, place in away.left_out.items() if key not in keys}
    said += [f"leaves out `{key}`, as its code does with NaN ({owner.location(node)})" for key, (owner, node) in gone.items()]
    told = list(filter(None, said))
    return [f"the evaluation {', and '.join(told[:MOST])}, which may be for the made-up data"] if told else []


def _null(key: str, path: str, away: PutAway) -> str:
    """What is to be said of a key that is null in a file.

    Nothing where the code has another reason for it.
    """
    place = away.nulls.get(key) or (away.anywhere if key not in away.plain else None)
    return f"writes null for `{key}` into {path}, as its code does with NaN ({place[0].location(place[1])})" if place else ""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # BROKEN: EVA110 speaks of it


def _entries(value: Any) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The values of JSON data by the nearest key above them: those that stand alone, and those in lists."""
    alone: dict[str, list[Any]] = {}
    listed: dict[str, list[Any]] = {}
    pending: list[tuple[str, Any, bool]] = [("", value, False)]
    while pending:
        name, one, is_listed = pending.pop()
        if isinstance(one, dict):
            pending += [(str(inner), each, is_listed) for inner, each in one.items()]
        elif isinstance(one, list):
            pending += [(name, each, True) for each in one]
        if isinstance(one, (dict, list)):
            alone.setdefault(name, [])
        else:
            (listed if is_listed else alone).setdefault(name, []).append(one)
    return alone, listed
