"""OPT104."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, calls
from gonogo.analysis.training.searchspace import SECTION, is_on, parameters
from gonogo.documents.yaml import YamlDocument
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message

WORD = re.compile(r"\w+")


@rule("OPT104", "unknown-search-parameter", criterion=7, severity=Severity.ERROR, stage=Stage.CHECK, settles=("search",))
def unknown_search_parameter(
    runs: list[Run], shared_config: YamlDocument, modules: dict[str, Module], contract: Contract
) -> Iterator[Violation]:
    """The search samples a parameter that is no setting of the run.

    What it does:
        Looks for the name of each searched parameter in the run config and the shared config, outside the search
        section, and in all code: as a name, an attribute, a keyword or a word in a text. Silent where code passes whole
        dicts on as keywords, since any name may be meant by that.

    Why it matters:
        The value that the search finds goes nowhere. Each trial of it is wasted, and the run is reported as tuned.

    Instead:
        Use the name of a setting that the code reads, or take the parameter out of the search space.
    """
    if not modules or not all_parsed(modules) or _passes_dicts_on(modules, contract):
        return
    yield from by_message(_find(runs, set(_keys(shared_config.value)), _words_of_code(modules)))


def _find(runs: list[Run], shared: set[str], mentioned: set[str]) -> Iterator[Violation]:
    for run in runs:
        if not is_on(run):
            continue
        known = shared | set(_keys(run.document.value))
        for name, _, path in parameters(run):
            last = re.split(r"[./]", name)[-1]
            if last not in known and last not in mentioned:
                yield Violation(
                    run.locate(path),
                    f"the search samples `{name}`, which is no setting of the run and is read nowhere",
                    "use the name of a setting that the code reads, or take it out of the search space",
                    runs=(run.id,),
                )


def _keys(value: Any) -> Iterator[str]:
    """Every key at any depth, outside search sections."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != SECTION:
                yield str(key)
                yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def _words_of_code(modules: dict[str, Module]) -> set[str]:
    words: set[str] = set()
    for module in modules.values():
        words.update(WORD.findall(module.text))
    return words


def _passes_dicts_on(modules: dict[str, Module], contract: Contract) -> bool:
    evaluation = module_path(contract.evaluation.module)
    return any(
        keyword.arg is None and not isinstance(keyword.value, ast.Dict)
        for module in modules.values()
        if module.path != evaluation
        for call in calls(module)
        for keyword in call.keywords
    )


BAD = Tree(
    {"config/run/proposed-mlp-digits.yaml": Edit("    momentum:\n      type: uniform", "    warmup_share:  # <- here\n      type: uniform")}
)
GOOD = Tree(
    {
        "config/run/proposed-mlp-digits.yaml": (
            Edit("    momentum:\n      type: uniform", "    training.label_smoothing:\n      type: uniform"),
            Edit("high: 0.95", "high: 0.6"),
        )
    }
)
