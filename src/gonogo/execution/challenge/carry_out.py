"""The sessions of a challenge, and what is compared in them.

Three sessions answer all: the same seed with the labels of evaluation permuted (what does not depend on them must repeat; then the
evaluation once more, on perturbed numbers, and without a run), other outputs of networks (with calls on other inputs), and another seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from gonogo.execution.challenge.matrix import EVALUATION_SUBJECT, Alteration, Cell, ChallengeSeen, Leak, Network, Number, State
from gonogo.execution.challenge.numbers import LOSSES, PREDICTIONS, REPEATS, UPDATES, Values, in_order, moved, of_run, written
from gonogo.execution.observations import Process, RunSeen, SessionSeen
from gonogo.execution.session_plan import AGAIN, MISSING, PERTURBED, Session
from gonogo.model.errors import StageError

_MOST_REASON = 200
FEWEST_ROWS = 4  # of a call on average; among fewer, one row that is right is a large share


def challenge(rehearsed: Session, rehearsal: SessionSeen, carry: Callable[[Session], SessionSeen]) -> ChallengeSeen:
    """Carry out the sessions and compare them with the rehearsal.

    Args:
        rehearsed: the rehearsal's session, which is run again.
        rehearsal: what was seen in it.
        carry: runs a session.
    """
    found = ChallengeSeen(rehearsal)
    labels = {run_id: {"loaders": sorted(loaders)} for run_id, run in rehearsal.runs.items() if (loaders := evaluation_loaders(run))}
    more = (AGAIN, PERTURBED, MISSING) if labels else (PERTURBED, MISSING)
    own = dict(rehearsed.alter)
    plans: dict[Alteration, Session] = {
        Alteration.LABELS: replace(rehearsed, name="again", alter={**own, "labels": labels} if labels else own, more=more),
        Alteration.OUTPUTS: replace(rehearsed, name="outputs", alter={**own, "outputs": True}, evaluate=False),
        Alteration.SEED: replace(rehearsed, name="seed", alter={**own, "seed": True}, evaluate=False),
    }
    for alteration, session in plans.items():
        try:
            seen = carry(session)
        except StageError as error:
            found.reasons[alteration] = str(error)[:_MOST_REASON]
            continue
        found.sessions[alteration] = seen
        if seen.problem:
            found.reasons[alteration] = seen.problem[:_MOST_REASON]
    for run_id in rehearsal.runs:
        found.numbers += _numbers(found, run_id)
        found.leaks += _leaks(found, run_id, labels.get(run_id, {}).get("loaders", []))
    found.numbers += _evaluated(found)
    return found


def evaluation_loaders(run: RunSeen) -> set[int]:
    """The numbers of the loaders whose batches networks saw and no backward pass followed."""
    for_evaluation: set[int] = set()
    others: set[int] = set()
    for process in run.processes.values():
        for number, loader in process.loaders.items():
            (for_evaluation if loader.forwards and not loader.backwards else others).add(number)
    return for_evaluation - others


def _numbers(found: ChallengeSeen, run_id: str) -> Iterator[Number]:
    """The numbers of one run, with a cell for each alteration of runs."""
    before = of_run(found.rehearsal, run_id)
    if before is None:
        return
    again, labelled = _of_session(found, Alteration.LABELS, run_id)
    networks = list(_networks(found, run_id))
    untried = _untried(found, run_id)
    found.networks += networks
    if _altered(found, Alteration.OUTPUTS, run_id, "marked predictions"):
        found.marked.add(run_id)
        rows, calls = (_altered(found, Alteration.OUTPUTS, run_id, what) for what in ("marked rows", "marked"))
        others = sum(_altered(found, Alteration.OUTPUTS, run_id, f"{what} predictions") for what in ("unmarked", "two classes"))
        if not others and rows >= FEWEST_ROWS * calls:
            found.wrong.add(run_id)
    upstream = again is not None and not any(
        _differs(before[name], again.get(name, ())) for name in (LOSSES, UPDATES, PREDICTIONS) if name in before
    )
    for name, values in before.items():
        number = Number(run_id, name, values)
        number.cells[Alteration.AGAIN] = _again(found, run_id, values, again, name, labelled=bool(labelled), upstream=upstream)
        for alteration in (Alteration.LABELS, Alteration.OUTPUTS, Alteration.SEED):
            number.cells[alteration] = _cell(found, alteration, run_id, name, values)
        if name == PREDICTIONS:
            number.cells[Alteration.INPUTS] = _inputs(networks, untried)
        yield number


def _of_session(found: ChallengeSeen, alteration: Alteration, run_id: str) -> tuple[Mapping[str, Values] | None, int]:
    session = found.sessions.get(alteration)
    return (of_run(session, run_id) if session else None), _altered(found, alteration, run_id, alteration.value)


def _altered(found: ChallengeSeen, alteration: Alteration, run_id: str, what: str) -> int:
    session = found.sessions.get(alteration)
    run = session.runs.get(run_id) if session else None
    return sum(process.altered.get(what, 0) for process in run.processes.values()) if run else 0


def _reason(found: ChallengeSeen, alteration: Alteration, run_id: str) -> str:
    """Why nothing can be said of a run under an alteration; empty if something can."""
    session = found.sessions.get(alteration)
    run = session.runs.get(run_id) if session else None
    if run is None:
        return found.reasons.get(alteration, "it was not run")
    if not run.ok:
        chain = run.failure()
        return f"the altered run fails: {chain[0]}"[:_MOST_REASON] if chain else "the altered run fails"
    if not _altered(found, alteration, run_id, alteration.value):
        left = [process.unaltered[alteration.value] for process in run.processes.values() if alteration.value in process.unaltered]
        nothing = {
            Alteration.LABELS: "no loader was seen that gives batches for evaluation alone",
            Alteration.OUTPUTS: "no network of torch put out numbers",
            Alteration.SEED: "neither the config nor the code sets a seed",
        }
        return left[0] if left else nothing[alteration]
    return ""


def _differs(values: Values, other: Values) -> bool:
    """Whether what a run did differs, other than by first work that another run had done for it."""
    shared = min(len(values), len(other))
    return moved(values[len(values) - shared :], other[len(other) - shared :], REPEATS)


def _cell(found: ChallengeSeen, alteration: Alteration, run_id: str, name: str, values: Values) -> Cell:
    reason = _reason(found, alteration, run_id)
    if reason:
        return Cell(State.NOT_TRIED, reason)
    other = (of_run(found.sessions[alteration], run_id) or {}).get(name)
    if other is None:
        return Cell(State.NOT_TRIED, "the altered run does not have it")
    return Cell(State.MOVED, values=other) if moved(values, other) else Cell(State.SAME)


def _again(
    found: ChallengeSeen, run_id: str, values: Values, again: Mapping[str, Values] | None, name: str, *, labelled: bool, upstream: bool
) -> Cell:
    """Return a cell that says whether a number repeats.

    One that moved in a session with permuted labels repeats if everything that it is made from repeats.
    """
    if again is None:
        return Cell(State.NOT_TRIED, _reason(found, Alteration.LABELS, run_id))
    other = again.get(name, ())
    if not moved(values, other, REPEATS):
        return Cell(State.SAME)
    if name in (LOSSES, UPDATES, PREDICTIONS) and not _differs(values, other):
        return Cell(State.NOT_TRIED, "a part of the work was done already: runs share what they make, such as a trained model")
    if labelled and upstream:
        return Cell(State.SAME, "losses, updates and predictions repeat; the labels were permuted")
    if labelled and name not in (LOSSES, UPDATES, PREDICTIONS):
        return Cell(State.NOT_TRIED, "the labels were permuted in the same session")
    return Cell(State.MOVED, values=other)


def _networks(found: ChallengeSeen, run_id: str) -> Iterator[Network]:
    session = found.sessions.get(Alteration.OUTPUTS)
    run = session.runs.get(run_id) if session else None
    counts: dict[str, list[int]] = {}
    for process in run.processes.values() if run else ():
        for what, times in process.altered.items():
            kind, _, rest = what.partition(" ")
            state, _, name = rest.partition(" ")
            if kind == "inputs" and name:
                counts.setdefault(name, [0, 0])[state == "same"] += times
    for name, (other, same) in counts.items():
        yield Network(run_id, name, other, same)


def _untried(found: ChallengeSeen, run_id: str) -> str:
    session = found.sessions.get(Alteration.OUTPUTS)
    run = session.runs.get(run_id) if session else None
    reasons = [reason for process in run.processes.values() if (reason := process.unaltered.get("inputs"))] if run else []
    return reasons[0] if reasons else "no call of a network that predicts could be made once more"


def _inputs(networks: list[Network], untried: str) -> Cell:
    if not networks:
        return Cell(State.NOT_TRIED, untried)
    return Cell(State.MOVED if all(network.moved for network in networks) else State.SAME)


def _leaks(found: ChallengeSeen, run_id: str, loaders: list[int]) -> Iterator[Leak]:
    """Yield the first prediction that changed with the labels of its own evaluation.

    It is the first in the first pass over a loader with permuted labels, and all predictions before it must be unchanged.
    """
    session = found.sessions.get(Alteration.LABELS)
    if session is None or not loaders or _reason(found, Alteration.LABELS, run_id):
        return
    for before, after in _paired(found.rehearsal.runs[run_id], session.runs[run_id]):
        first: tuple[int, int] | None = None
        for call, (one, other) in enumerate(zip(before.predictions, after.predictions, strict=False), 1):
            source = (one.loader, one.number)
            if first is None and one.loader in loaders:
                first = source
            if first is not None and source != first:
                return  # scores of permuted labels are known from here on, and may rightly change what follows
            if moved(one.sums, other.sums, REPEATS):
                if first is not None:
                    yield Leak(run_id, one.place, call, one.sums, other.sums)
                return


def _paired(one: RunSeen, other: RunSeen) -> Iterator[tuple[Process, Process]]:
    return zip(
        [process for process in in_order(one) if process.predictions],
        [process for process in in_order(other) if process.predictions],
        strict=False,
    )


def _evaluated(found: ChallengeSeen) -> Iterator[Number]:
    """Yield the numbers that the evaluation wrote, compared with those of other evaluations.

    These are evaluations of the same runs, of other numbers, and without a run.
    """
    session = found.sessions.get(Alteration.LABELS)
    if session is None or session.evaluation is None or not session.evaluation.ok:
        return
    before = written(session.texts)
    again = written(session.more[AGAIN].texts) if AGAIN in session.more else written(found.rehearsal.texts)
    own = {path for evaluated in session.more.values() for path in evaluated.texts}  # what runs wrote there is not the evaluation's
    for name, values in before.items():
        if own and name.partition(":")[0] not in own:
            continue
        number = Number(EVALUATION_SUBJECT, name, values)
        number.cells[Alteration.AGAIN] = _compared(_failed(session, AGAIN), values, again, name, REPEATS)
        perturbed = session.more.get(PERTURBED)
        others = written(perturbed.texts) if perturbed else {}
        reason = _failed(session, PERTURBED) if perturbed else "there is no tracker to perturb"
        number.cells[Alteration.TRACKER] = _compared(reason, values, others, name)
        number.cells[Alteration.MISSING] = _without(session, name, values)
        yield number


def _failed(session: SessionSeen, name: str) -> str:
    evaluated = session.more.get(name)
    if evaluated is None or evaluated.run.ok:
        return ""
    chain = evaluated.run.failure()
    return f"the evaluation fails: {chain[0] if chain else evaluated.run.last_lines(1)}"[:_MOST_REASON]


def _compared(reason: str, values: Values, others: Mapping[str, Values], name: str, tolerance: float | None = None) -> Cell:
    if reason:
        return Cell(State.NOT_TRIED, reason)
    if name not in others:
        return Cell(State.NOT_TRIED, "it was not written again")
    other = others[name]
    return Cell(State.MOVED, values=other) if (moved(values, other, tolerance) if tolerance else moved(values, other)) else Cell(State.SAME)


def _without(session: SessionSeen, name: str, values: Values) -> Cell:
    evaluated: Any = session.more.get(MISSING)
    if evaluated is None:
        return Cell(State.NOT_TRIED, "there is only one run")
    if not evaluated.run.ok:
        return Cell(State.MOVED, "the evaluation says that a run is missing")
    return _compared("", values, written(evaluated.texts), name)
