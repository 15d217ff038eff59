"""SCI116."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, last_name
from gonogo.execution.challenge.matrix import EVALUATION_SUBJECT, Alteration, ChallengeSeen, Number, State
from gonogo.execution.observations import Tracked
from gonogo.execution.tracker_inside import COUNTERS, FRACTIONS
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, quoted, rule
from gonogo.rules.places import main_place
from gonogo.rules.scores import is_score

MOST_TEXT = 24  # characters of a text that is a name; a longer one may hold what scores are made of, and stays as it is
_DIFFERENCE = re.compile(r"improvement|gain|uplift|difference|diff(?:_|$)", re.IGNORECASE)
#: Names of differences within one run: of its first and last epoch, of which a rehearsal has one, or of its training and test.
_WITHIN_A_RUN = re.compile(
    r"(?:^|[_.: /])(?:runs?|per_run|history|epochs?|first|last|initial|start|train\w*|generali[sz]ation|gap)(?:$|[_.: /])", re.IGNORECASE
)
_CUTS = frozenset({"max", "maximum", "clip", "clamp", "round"})
_P_VALUE = re.compile(r"p_?val", re.IGNORECASE)


@rule("SCI116", "evaluation-ignores-runs", criterion=8, severity=Severity.ERROR, stage=Stage.CHALLENGE, settles=("evaluation",))
def evaluation_ignores_runs(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A number of the evaluation stays the same whatever the runs logged.

    What it does:
        Gives every number that the tracker has of a run another value, each run's by another factor, and starts the evaluation on that.
        Scores and p-values in its JSON files that are the same as before are reported. Those that are whole numbers are a warning: they
        may be so for both. Of other numbers for each run, no difference is exactly zero: where all that have one name are, that is an
        error, unless the evaluation cuts numbers off, or the tracker has some that could not be altered. Silent where runs log long
        texts, from which scores may be computed and which are not altered.

    Why it matters:
        The number comes from somewhere else: it is written into the code, or compares a run with itself.

    Instead:
        Compute it from what `wandb.Api()` returns for the runs that it is about.
    """
    if _has_texts(challenge):
        return
    found = []
    for number in challenge.of(EVALUATION_SUBJECT):
        is_p = bool(_P_VALUE.search(number.name))
        if number.state(Alteration.TRACKER) is State.SAME and (is_score(number.name) or (is_p and all(0 < p < 1 for p in number.values))):
            found.append(number)
    numbers = challenge.of(EVALUATION_SUBJECT)
    zero = set() if _may_be_zero(challenge, modules, contract) else _zero_differences(numbers, challenge.rehearsal.runs)
    sure = [number.name for number in found if number.name in zero or not all(value.is_integer() for value in number.values)]
    if found:
        yield Violation(
            main_place(modules, module_path(contract.evaluation.module)),
            f"{', '.join(quoted(sure or [number.name for number in found], 4))} stay the same whatever the runs logged",
            "compute them from what the tracker returns for the runs",
            severity=None if sure else Severity.WARNING,
            evidence="; ".join(f"{number.name} {number.values[0]:.6g}" for number in found[:6]),
        )


def _zero_differences(numbers: list[Number], run_ids: Iterable[str]) -> set[str]:
    """Return the names of differences between runs that are zero before and after.

    All differences with the same last name are zero, and other scores moved.
    """
    if not any(number.state(Alteration.TRACKER) is State.MOVED and is_score(number.name) for number in numbers):
        return set()
    named: dict[str, list[Number]] = {}
    for number in numbers:
        within = _WITHIN_A_RUN.search(number.name) or any(run_id in number.name for run_id in run_ids)
        if _DIFFERENCE.search(last := re.split(r"[.: ]", number.name)[-1]) and not within:
            named.setdefault(last, []).append(number)
    alike = [group for group in named.values() if all(_stays_zero(number) for number in group)]
    return {number.name for group in alike for number in group}


def _stays_zero(number: Number) -> bool:
    return number.state(Alteration.TRACKER) is State.SAME and not any(number.values)


def _may_be_zero(challenge: ChallengeSeen, modules: dict[str, Module], contract: Contract) -> bool:
    """Return whether a difference may rightly stay zero.

    It is cut off at a bound, or is one of numbers that were not altered.
    """
    module = modules.get(module_path(contract.evaluation.module))
    if module is None or any(last_name(call.func) in _CUTS and len(call.args) > 1 for call in calls(module)):
        return True
    session = challenge.sessions.get(Alteration.LABELS)
    rows = [row for tracked in (session.tracked or () if session else ()) for row in (tracked.summary, *tracked.history)]
    return any(_is_unaltered(key, value) for row in rows for key, value in row.items())


def _is_unaltered(key: str, value: object) -> bool:
    """Whether a logged number may be one that the tracker gives as it is."""
    if key.startswith("_") or not isinstance(value, int) or COUNTERS.search(key):
        return False
    return isinstance(value, bool) or (value in (-1, 0, 1) and not FRACTIONS.search(key))


def _has_texts(challenge: ChallengeSeen) -> bool:
    session = challenge.sessions.get(Alteration.LABELS)
    return any(_is_long(value) for tracked in (session.tracked or () if session else ()) for value in _values(tracked))


def _values(tracked: Tracked) -> Iterator[object]:
    for row in (tracked.summary, *tracked.history):
        for key, value in row.items():
            if not key.startswith("_"):
                yield from _flat(value)


def _flat(value: object, depth: int = 0) -> Iterator[object]:
    if isinstance(value, dict) and depth < 6:
        for entry in value.values():
            yield from _flat(entry, depth + 1)
    elif isinstance(value, list) and depth < 6:
        for entry in value:
            yield from _flat(entry, depth + 1)
    else:
        yield value


def _is_long(value: object) -> bool:
    return isinstance(value, str) and len(value) > MOST_TEXT and bool(value.strip("01"))


BAD = Tree(
    {
        "src/evaluate.py": (
            Edit('float(run.summary["test_accuracy"])', "0.9 + len(run_id) / 1000 + 0.0137"),
            Edit("def main() -> None:\n", "def main() -> None:  # <- here\n"),
        )
    }
)

GOOD = Tree()
