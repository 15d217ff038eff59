"""RUN104."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gonogo.analysis.training.searchspace import SECTION, parameters
from gonogo.documents.yaml import KeyPath
from gonogo.model.finding import Severity, Stage
from gonogo.model.plan import Plan
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_message

NUMBER = r"(\d+(?:\.\d+)?)"
SEVERITY = re.compile(rf"severity[\s_:=()-]*(?:level\s*)?{NUMBER}", re.IGNORECASE)
SEVERITY_RANGE = re.compile(r"severit(?:y|ies)\D{0,12}\d\s*(?:-|–|to\b|,|and\b|/)\s*\d", re.IGNORECASE)
STEPS = re.compile(rf"\b{NUMBER}[\s_-]*+(?:inner|gradient|adaptation)?[\s_-]*+steps?\b", re.IGNORECASE)
EPOCHS = re.compile(rf"\b{NUMBER}\s+(?:training\s+)?epochs?\b", re.IGNORECASE)
BATCH = re.compile(rf"\b(?:mini-?)?batch(?:es)?(?:\s++sizes?)?\s*+(?:of|=|:)?\s*+{NUMBER}\b", re.IGNORECASE)
STEM = re.compile(r"(?<![a-z])([a-z]{3,})[\s_-]*(\d+(?:\.\d+)?)", re.IGNORECASE)
# A sentence with one of these speaks of something narrower than every run, or of a bound.
NARROW = re.compile(
    r"pre-?train|warm|first|last|every|patience|after|up to|at most|at least|maxim|minim|early|\bper\b|"
    r"each|trial|search|sweep|tun(?:e|ing)|"
    r"baseline|propos|compar|teacher|student|source|effective|global|total|accumul|micro|"
    r"eval|test|valid|e\.g|such as|ablat|until|within|about|~|≈",
    re.IGNORECASE,
)
NOT_A_SETUP = re.compile(r"code|result|problem|conclusion|related|metric", re.IGNORECASE)


@rule("RUN104", "plan-contradicted", criterion=7, severity=Severity.WARNING, stage=Stage.CHECK)
def plan_contradicted(plan: Plan | None, runs: list[Run]) -> Iterator[Violation]:
    """A run config says something else than the plan.

    What it does:
        Compares what the plan says of a run (its model and dataset, a corruption severity, a number of adaptation
        steps) and of all runs (epochs, batch size, if it names one value only) with the run config. Only the same word
        with another number counts. What the search samples is not compared.

    Why it matters:
        The result would be reported as that of the planned experiment, and is that of another one.

    Instead:
        Take over the value of the plan, or change the plan.
    """
    if plan is not None:
        yield from by_message(_find(runs, _setup_text(plan)))


def _find(runs: list[Run], text: str) -> Iterator[Violation]:
    for run in runs:
        if run.planned is None or not isinstance(run.document.value, dict):
            continue
        searched = {name.rpartition(".")[2] for name, _, _ in parameters(run)}
        for path, quote in _contradictions(run, text):
            if path[-1] not in searched:
                yield Violation(
                    run.locate(path),
                    f"`{'.'.join(map(str, path))}` contradicts the plan",
                    "make the run config and the plan say the same",
                    runs=(run.id,),
                    evidence=f"the plan says “{quote}”, {run.path} says “{path[-1]}: {run.document.get(path)}”",
                )


def _setup_text(plan: Plan) -> str:
    """What the plan says of how all runs are made, without code, expected results and motivation."""
    parts = [plan.design or ""]
    if isinstance(plan.method, dict):
        parts += [value for key, value in plan.method.items() if isinstance(value, str) and not NOT_A_SETUP.search(str(key))]
    elif isinstance(plan.method, str):
        parts.append(plan.method)
    return "\n".join(parts)


def _contradictions(run: Run, text: str) -> Iterator[tuple[KeyPath, str]]:
    assert run.planned is not None
    yield from _other_name(run, "model", run.planned.model)
    yield from _other_name(run, "dataset", run.planned.dataset)
    own = f"{run.planned.dataset or ''}\n{run.planned.run_id}"
    severity_text = own if SEVERITY.search(own) else text
    if not SEVERITY_RANGE.search(severity_text):
        yield from _other_number(run, SEVERITY, severity_text, ("severity", "corruption_severity"))
    yield from _other_number(run, STEPS, run.planned.method or "", ("inner_steps", "adaptation_steps"))
    yield from _other_number(run, EPOCHS, text, ("epochs", "num_epochs"), narrow=True)
    yield from _other_number(run, BATCH, text, ("batch_size",), narrow=True)


def _other_name(run: Run, section: str, planned: str | None) -> Iterator[tuple[KeyPath, str]]:
    """The same word with another number: `ResNet-18` and `resnet50`."""
    path = run.section(section)
    if isinstance(run.document.get(path), dict):
        path = (*path, "name")
    value = run.document.get(path)
    if not planned or not isinstance(value, str) or "${" in value:
        return
    wanted, given = _stems(planned), _stems(value)
    for stem in wanted.keys() & given.keys():
        if len(wanted[stem]) == 1 and len(given[stem]) == 1 and wanted[stem] != given[stem]:
            yield path, planned
            return


def _stems(text: str) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for word, number in STEM.findall(text):
        found.setdefault(word.lower(), set()).add(float(number))
    return found


def _other_number(
    run: Run, pattern: re.Pattern[str], text: str, names: tuple[str, ...], narrow: bool = False
) -> Iterator[tuple[KeyPath, str]]:
    """The one number that the text gives, where the one key of these names has another."""
    matches = list(pattern.finditer(text))
    if len({float(match[1]) for match in matches}) != 1 or (narrow and any(NARROW.search(_sentence(text, match)) for match in matches)):
        return
    wanted = float(matches[0][1])
    paths = [path for path in run.document.leaves if path[-1] in names and SECTION not in path]
    values: list[Any] = [run.document.get(path) for path in paths]
    if len(paths) == 1 and isinstance(values[0], int) and not isinstance(values[0], bool) and values[0] != wanted:
        yield paths[0], " ".join(matches[0][0].split())


def _sentence(text: str, match: re.Match[str]) -> str:
    start = max((text.rfind(mark, 0, match.start()) for mark in (". ", "\n", ";")), default=-1)
    ends = [end for mark in (". ", "\n", ";") if (end := text.find(mark, match.end())) >= 0]
    return text[start + 1 : min(ends, default=len(text))]


BAD = [
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("epochs: 15", "epochs: 20  # <- here")}),
    Tree({"config/run/comparative-1-mlp-digits.yaml": Edit("batch_size: 64", "batch_size: 128  # <- here")}),
]
GOOD = Tree({"config/run/proposed-mlp-digits.yaml": Edit("epochs: 15", "epochs: 15.0")})
