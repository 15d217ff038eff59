"""What the stages that run the experiment decide: what is skipped, whose failure counts, what keeps a GO back. No run is needed to see it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gonogo.analysis.python.modules import Module
from gonogo.engine.facts import Facts
from gonogo.engine.running import Running, chosen, doubts, notes
from gonogo.engine.timelines import every_run, timeline
from gonogo.execution.observations import Process, RunSeen, SessionSeen, Tracked
from gonogo.execution.probe.gonogo_probe import events
from gonogo.execution.probe.gonogo_probe.events import Raised
from gonogo.execution.session_plan import EVALUATION, Bounds, Session
from gonogo.model import contract as contracts
from gonogo.model.errors import UsageError
from gonogo.model.finding import Finding, Location, Severity, Stage
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import Run
from gonogo.model.verdict import Verdict

EVALUATE = """\
import sys


def main(runs):
    if len(runs) < 2:
        sys.exit("two runs are needed")
    return runs[0]["accuracy"] - runs[1]["accuracy"]
"""
MODULES = {"src/evaluate.py": Module("src/evaluate.py", EVALUATE)}
FILES = {"src/train.py": "", "src/evaluate.py": EVALUATE}
A, B = "proposed-mlp-digits", "comparative-1-mlp-digits"


def seen(
    label: str = A, code: int = 0, *, started: float = 0.0, late: bool = False, output: str = "", raised: Raised | None = None
) -> RunSeen:
    """A run that ended by itself, as the probe sees one."""
    process = Process(1, 0, ["python", "-m", "src.train"], started=started, ended=None if late else started + 2)
    process.failures = [[raised]] if raised else []
    lines = [("stderr", line) for line in output.splitlines()]
    return RunSeen(label, pid=1, code=code, ended=True, late=late, started=started, seconds=2.0, processes={1: process}, output=lines)


def raised(kind: str, message: str = "", line: int = 7) -> Raised:
    return Raised(kind, "builtins", message, [("src/evaluate.py", line, "main")], own=True)


def session(*runs: RunSeen, evaluation: RunSeen | None = None, problem: str = "") -> SessionSeen:
    return SessionSeen("rehearsal", {run.label: run for run in runs}, evaluation, problem=problem)


def running(*findings: Finding, **options: Any) -> Running:
    """The stages of an experiment with two runs, and what was found in it so far."""
    facts = Facts(runs=[named(A), named(B)], modules=MODULES, experiment=SimpleNamespace(files=FILES))
    verdict = Verdict(experiment="test", contract="trial-mode", findings=list(findings), gonogo_version="0")
    return Running(verdict, facts, lambda *_: None, ExecutionOptions(**options), Stage.CHALLENGE, lambda *_: None)


def named(run_id: str) -> Run:
    return Run(run_id, None, "", None, from_plan=False)


def finding(stage: Stage = Stage.REHEARSAL, severity: Severity = Severity.ERROR, runs: tuple[str, ...] = ()) -> Finding:
    return Finding(
        rule="TRI101",
        slug="run-failed",
        severity=severity,
        stage=stage,
        message="m",
        action="a",
        location=Location(path="src/train.py"),
        runs=list(runs),
    )


# -- which runs ----------------------------------------------------------------------------------------------------------------------------


def test_runs_are_chosen_by_id_and_by_pattern_in_their_own_order() -> None:
    runs = [named("a-1"), named("b[2]"), named("a-2")]
    assert chosen(runs, []) == runs
    assert [run.id for run in chosen(runs, ["a-2", "a-1"])] == ["a-1", "a-2"]
    assert [run.id for run in chosen(runs, ["a-*", "a-1"])] == ["a-1", "a-2"]
    assert [run.id for run in chosen(runs, ["b[2]"])] == ["b[2]"]  # an id is no pattern
    with pytest.raises(UsageError, match=r"No run matches 'c\*': there are a-1, b\[2\], a-2\."):
        chosen(runs, ["a-1", "c*"])
    with pytest.raises(UsageError, match="there are none"):
        chosen([], ["a"])


# -- which stages --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "found", "trial_failed", "keep_going", "skipped"),
    [
        (Stage.TRIAL, [], False, False, ""),
        (Stage.TRIAL, [finding(Stage.CHECK)], False, False, "1 finding of the stages before blocks"),
        (Stage.TRIAL, [finding(Stage.COMPOSE), finding(Stage.COMPOSE)], False, False, "2 findings of the stages before block"),
        (Stage.TRIAL, [finding(Stage.COMPOSE, Severity.WARNING)], False, False, ""),
        (Stage.TRIAL, [finding(Stage.COMPOSE)], False, True, ""),
        (Stage.REHEARSAL, [], True, False, "the trial failed"),
        (Stage.REHEARSAL, [], True, True, ""),
        (Stage.CHALLENGE, [], False, False, "there was no rehearsal"),
        (Stage.CHALLENGE, [], False, True, "there was no rehearsal"),
    ],
)
def test_a_stage_is_skipped_where_there_is_no_sense_in_it(
    stage: Stage, found: list[Finding], trial_failed: bool, keep_going: bool, skipped: str
) -> None:
    stages = running(*found, keep_going=keep_going)
    stages.trial_failed = trial_failed
    reason = stages._obstacle([named(A)], stage)
    assert reason.startswith(skipped) if skipped else reason == ""
    assert stages._obstacle([], stage) == "there is no run"


def test_a_challenge_needs_the_rehearsal_that_it_compares_with() -> None:
    stages = running()
    stages.rehearsed = Session("rehearsal", "", Bounds(batches=2, epochs=1, trials=1, loops=True))
    assert stages._obstacle([named(A)], Stage.CHALLENGE) == ""


# -- failures ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "said", "left"),
    [
        ([], [], True),
        ([finding(runs=(A,))], [], False),
        ([finding()], [], False),  # a finding about all runs
        ([finding(runs=(B,))], [], True),
        ([finding(severity=Severity.WARNING, runs=(A,))], [], True),
        ([finding(Stage.TRIAL, runs=(A,))], [], True),
        ([], [f"rehearsal of {A} failed, but it needs the network"], False),
    ],
)
def test_a_failure_that_nobody_explains_is_no_go(found: list[Finding], said: list[str], left: bool) -> None:
    stages = running(*found)
    stages.verdict.undecided = list(said)
    told = stages._unexplained(Stage.REHEARSAL, session(seen(A, code=1, output="one\ntwo\nthree\nlast words"), seen(B)))
    assert told == ([f"rehearsal: {A} failed, and it was not found out why: two three last words"] if left else [])


def test_an_evaluation_that_fails_unexplained_is_no_go_either() -> None:
    failed = session(seen(A), seen(B), evaluation=seen(EVALUATION, code=1, output="gone"))
    assert running()._unexplained(Stage.REHEARSAL, failed) == [f"rehearsal: {EVALUATION} failed, and it was not found out why: gone"]
    assert running()._unexplained(Stage.REHEARSAL, session(seen(A), seen(B), evaluation=seen(EVALUATION))) == []


def test_a_run_that_is_late_or_ended_by_a_signal_did_not_end_well() -> None:
    late = session(seen(A, late=True), seen(B))
    assert len(running()._unexplained(Stage.TRIAL, late)) == 1
    assert [run.status for run in timeline(late)] == ["late", "ok"]
    ended = seen(A)
    ended.ended = False
    assert [run.status for run in timeline(session(ended))] == ["failed"]


# -- the evaluation of some of the runs ----------------------------------------------------------------------------------------------------


def test_an_evaluation_of_all_runs_counts() -> None:
    whole = session(seen(A), seen(B), evaluation=seen(EVALUATION, code=1, raised=raised("KeyError", "'accuracy'")))
    stages = running()
    assert stages._set_evaluation_aside(whole)
    assert whole.evaluation is not None
    assert stages.verdict.undecided == []


@pytest.mark.parametrize("runs", [[seen(A)], [seen(A), seen(B, code=1)]])
def test_what_fails_for_want_of_runs_is_set_aside_and_undecided(runs: list[RunSeen]) -> None:
    part = session(*runs, evaluation=seen(EVALUATION, code=1, output="KeyError: 'accuracy'", raised=raised("KeyError", "'accuracy'")))
    stages = running()
    assert not stages._set_evaluation_aside(part)
    assert part.evaluation is None
    (said,) = stages.verdict.undecided
    assert said.endswith("for want of the others: KeyError: 'accuracy'")


def test_an_evaluation_that_refuses_some_of_the_runs_is_right_to() -> None:
    part = session(
        seen(A), evaluation=seen(EVALUATION, code=1, output="two runs are needed", raised=raised("SystemExit", "two runs are needed", 6))
    )
    stages = running()
    assert not stages._set_evaluation_aside(part)
    assert (part.evaluation, stages.verdict.undecided) == (None, [])
    assert part.notes == ["The evaluation refused some of the runs alone, which is not held against it: two runs are needed"]


@pytest.mark.parametrize("kind", ["NameError", "ModuleNotFoundError"])
def test_what_fails_for_any_runs_counts_for_some_of_them(kind: str) -> None:
    part = session(seen(A), evaluation=seen(EVALUATION, code=1, raised=raised(kind)))
    stages = running()
    assert not stages._set_evaluation_aside(part)
    assert part.evaluation is not None
    assert stages.verdict.undecided == []


def test_a_session_that_came_to_no_end_is_not_whole() -> None:
    assert not running()._set_evaluation_aside(session(seen(A), seen(B), problem="the disk was full"))
    assert not running()._set_evaluation_aside(session(seen(A), seen(B, code=1)))
    assert running()._set_evaluation_aside(session(seen(A), seen(B)))


# -- what is doubted -----------------------------------------------------------------------------------------------------------------------


def test_runs_with_the_same_excuse_are_told_together() -> None:
    failed = raised("ZeroDivisionError", "division by zero")
    told = doubts(session(seen(A, code=1, raised=failed), seen(B, code=1, raised=failed)), running().facts)
    assert len(told) == 1
    assert told[0].startswith(f"rehearsal of {A}, {B} failed, but its arithmetic has no result")
    assert told[0].endswith("(ZeroDivisionError: division by zero)")


def test_a_run_that_ended_well_and_was_not_seen_to_its_end_is_doubted() -> None:
    unseen, silent = seen(A), seen(B)
    unseen.pid = 9
    silent.processes[1].ended = None
    told = doubts(session(unseen, silent), running().facts)
    assert told[0] == f"rehearsal of {A} ended well, but nobody knows what it did: the probe was never loaded in it"
    assert told[1].startswith(f"rehearsal of {B} ended well, but nobody knows what it did: -m src.train ended without a word")
    assert doubts(session(seen(A), seen(B)), running().facts) == []


def test_numbers_that_json_lacks_are_undecided_only_where_the_data_are_made_up() -> None:
    made_up = seen(A)
    made_up.processes[1].standins = [events.StandIn("imdb: made-up rows")]
    for run, evaluation, expected in (
        (made_up, seen(EVALUATION), 1),
        (seen(A), seen(EVALUATION), 0),
        (made_up, seen(EVALUATION, code=1), 0),
    ):
        whole = session(run, evaluation=evaluation)
        whole.texts = {"results/a.json": '{"gain": NaN}', "results/b.json": "{}"}
        told = [text for text in doubts(whole, running().facts) if "results/a.json" in text]
        assert len(told) == expected, (run.made_up, evaluation.ok)
        assert not any("b.json" in text for text in told)


CLEAN = "def clean(x):\n    if np.isnan(x):\n        return None\n    return float(x)\n\n\n"
# How an evaluation writes that a number does not exist, and what its file then says.
PUT_AWAY = {
    "a conditional expression": ('d = {"p": float(p) if np.isfinite(p) else None}', '{"tests": {"p": null}}'),
    "a name": ("p = None if np.isnan(p) else p\nd = {'p': p}", '{"p": null}'),
    "a branch": ("if math.isnan(p):\n    p = None\nd = dict(p=p)", '{"p": null}'),
    "a number that is not itself": ("d['p'] = p if p == p else None", '{"p": null}'),
    "a function": (f"{CLEAN}d = {{'p': clean(p)}}", '[{"p": null}, {"p": null}]'),
    "a function of a function": (f"{CLEAN}def tidy(x):\n    return clean(x)\n\n\nd.update(p=tidy(p))", '{"p": null}'),
    "all values": (f"{CLEAN}d = {{k: clean(v) for k, v in d.items()}}", '{"anything": null}'),
    "what is written": (f"{CLEAN}json.dump(clean(d), file)", '{"anything": null}'),
    "a table": ("json.dump(frame.replace({np.nan: None}).to_dict(), file)", '{"p": null}'),
    "a part of a table": ("json.dump(frame.where(pd.notnull(frame), None).to_dict(), file)", '{"p": null}'),
    "pandas": ("frame.to_json(path)", '{"p": {"0": null}}'),
    "left out": ("if np.isfinite(p):\n    d['p'] = p", '{"statistic": 1.0}'),
}


def doubts_of_evaluation(code: str, text: str, made_up: bool = True) -> list[str]:
    run = seen(A)
    run.processes[1].standins = [events.StandIn("imdb: made-up rows")] if made_up else []
    whole = session(run, evaluation=seen(EVALUATION))
    whole.texts = {"results/a.json": text}
    stages = running()
    stages.facts.give("contract", contracts.load("trial-mode"))
    stages.facts.give("modules", {"src/evaluate.py": Module("src/evaluate.py", f"import numpy as np\n\n{code}\n")})
    return doubts(whole, stages.facts)


@pytest.mark.parametrize("name", PUT_AWAY)
def test_a_number_that_was_put_away_is_as_undecided_as_nan(name: str) -> None:
    code, text = PUT_AWAY[name]
    (told,) = doubts_of_evaluation(code, text)
    assert "src/evaluate.py:" in told and told.endswith("which may be for the made-up data")
    assert not doubts_of_evaluation(code, '{"p": 0.04, "statistic": 1.0, "anything": 2}'), "the number exists"
    assert not doubts_of_evaluation(code, text, made_up=False), "the data are real"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ('d = {"std": None, "p": p if np.isfinite(p) else None}', '{"std": null, "p": 0.1}'),
        (f"{CLEAN}d = {{'std': None, 'p': [clean(x) for x in p]}}", '{"std": null, "p": [0.1, null]}'),
        ("json.dump(frame.where(frame.notna(), None).to_dict('records'), f)", '[{"loss": null, "acc": 1}, {"loss": 2, "acc": 3}]'),
        ("frame.to_json(path)", '{"loss": [null, 0.5], "acc": [1, 2]}'),
        ("d = {'p': float(p)}", '{"p": 0.1, "other": null}'),
        ("if len(runs) > 1:\n    d['p'] = p", "{}"),
        ("values = values[np.isfinite(values)]\nd = {'p': values.mean()}", '{"p": 0.1, "other": null}'),
    ],
)
def test_null_that_has_another_reason_is_not_doubted(code: str, text: str) -> None:
    assert not doubts_of_evaluation(code, text)


# -- what is reported ----------------------------------------------------------------------------------------------------------------------


def test_the_timeline_starts_with_the_first_run() -> None:
    first, second = seen(B, started=12.5), seen(A, started=10.0)
    first.processes[1].marks = {"task": 13.0, "network": 14.25, "something else": 15.0}
    first.processes[2] = Process(2, 1, [], marks={"network": 13.5}, peak_memory=7_000_000)
    first.processes[1].peak_memory = 3_000_000
    told = timeline(session(first, second, evaluation=seen(EVALUATION, code=3, started=20.0)))
    assert [(run.run, run.status, run.started) for run in told] == [(B, "ok", 2.5), (A, "ok", 0.0), ("evaluation", "failed", 10.0)]
    assert told[0].phases == {"task": 0.5, "network": 1.75}
    assert told[0].peak_memory_mb == 7.0
    assert timeline(session()) == []


def test_notes_tell_a_reader_what_a_session_was_run_on() -> None:
    shown = session(seen(A), seen(B))
    shown.notes, shown.containment, shown.forged = ["One."], "bubblewrap 1", 2
    for run in every_run(shown):
        run.processes[1].standins = [events.StandIn("imdb: made-up rows")]
        run.processes[1].probe_failures = ["torch: no"]
    assert notes(shown) == [
        "One.",
        "The experiment was run in a sandbox: bubblewrap 1.",
        "It ran on stand-ins, so nothing is said of its numbers: imdb: made-up rows.",
        "Lines on the probe's channel that were not the probe's: 2.",
        "The probe could not watch everything: torch: no.",
    ]
    assert notes(session(seen(A))) == []


def test_what_the_tracker_has_is_found_by_the_run_id() -> None:
    shown = session(seen(A), seen(B))
    assert shown.tracked_as(A) is None  # nothing was tracked
    shown.tracked = [Tracked("team", "project", label, "finished", 2, {}, {}, []) for label in (f"{A}-2", B, A)]
    assert (shown.tracked_as(A), shown.tracked_as(B), shown.tracked_as("a")) == (shown.tracked[2], shown.tracked[1], None)


def test_what_was_seen_of_a_run_is_reported() -> None:
    run = seen(A)
    run.processes[1].losses = [
        events.Loss(2.0, "src/train.py", 7),
        events.Loss("nan", "src/train.py", 7),
        events.Loss(1.5, "src/train.py", 7),
    ]
    run.processes[1].answers = {3: events.Answers(3, rows=4, histogram=[3, 1, 0])}
    whole = session(run, evaluation=seen(EVALUATION))
    rows = [{"_step": 5, "acc": 0.5, "name": "x", "_runtime": 1.0, "flag": True}, {"_step": 7, "acc": float("nan")}, {"_step": 9, "acc": 1}]
    whole.tracked = [Tracked("e", "p", A, "finished", 3, {}, {}, rows)]
    first, evaluation = timeline(whole)
    loss, accuracy = first.curves
    assert (loss.name, loss.steps, loss.values) == ("loss of each backward pass (src/train.py:7)", [0.0, 2.0], [2.0, 1.5])
    assert (accuracy.name, accuracy.steps, accuracy.values) == ("acc", [5.0, 9.0], [0.5, 1.0])
    assert [answers.counts for answers in first.answers] == [[3, 1, 0]]
    assert not evaluation.curves and not evaluation.answers
    rows[:] = [{"_step": step, "acc": float(step)} for step in range(1001)]
    assert len(timeline(whole)[0].curves[1].values) <= 200
