"""The event channel from the gate's end: what is taken, what is dropped, and what becomes of odd events."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gonogo.execution import recorder as recorders
from gonogo.execution.observations import SessionSeen
from gonogo.execution.probe.gonogo_probe import channel, events
from gonogo.execution.recorder import Recorder, RunRecorder
from gonogo.execution.sandbox import Limit, RunResult
from gonogo.execution.sandbox.model import Captured

KEY = b"probe key"


def line(key: bytes, **event: Any) -> bytes:
    body = json.dumps(event).encode()
    return hashlib.blake2b(body, key=key, digest_size=8).hexdigest().encode() + b" " + body + b"\n"


def result(**changes: Any) -> RunResult:
    return RunResult(**{"pid": 7, "exit_code": 0, "seconds": 2.0, "peak_memory": 1, "stdout": Captured(), "stderr": Captured(), **changes})


def started() -> tuple[SessionSeen, RunRecorder]:
    session = SessionSeen("trial")
    recorder = Recorder(session, "(evaluation)").begin("a", ["python"], KEY, 1.0)
    recorder.hear(line(KEY, kind="Started", at=1.5, pid=7, n=1, parent=6, argv=["python"], run="a", mode="trial"))
    return session, recorder


def test_run_is_put_together() -> None:
    session, recorder = started()
    recorder.hear(
        line(KEY, kind="Counts", at=2.0, pid=7, n=2, forwards=3, forwards_training=2, backwards=2, steps=1, answers=0, answers_alike=0)
    )
    recorder.line("stdout", "hello")
    recorder.end(result())
    run = session.runs["a"]
    assert run.ok
    assert run.total("forwards") == 3
    assert run.output == [("stdout", "hello")]
    assert session.forged == 0


@pytest.mark.parametrize(("code", "said"), [(0, "ok"), (3, "failed")])
def test_whoever_follows_hears_how_each_run_goes(code: int, said: str) -> None:
    heard: list[tuple[str, str, str]] = []
    recorder = Recorder(SessionSeen("trial"), "(evaluation)", lambda *told: heard.append(told))
    run = recorder.begin("a", ["python"], KEY, 1.0)
    run.line("stdout", "hello")
    run.line("stdout", "  ")
    run.end(result(exit_code=code))
    assert heard == [("a", "start", ""), ("a", "line", "hello"), ("a", "end", said)]


@pytest.mark.parametrize(
    ("ended", "code", "number", "late"),
    [
        ({"exit_code": 3}, 3, None, False),
        ({"exit_code": None, "signal": 11}, None, 11, False),
        ({"exit_code": None, "signal": 9, "limit": Limit.TIME}, None, 9, True),
    ],
)
def test_run_that_did_not_end_well(ended: dict[str, Any], code: int | None, number: int | None, late: bool) -> None:
    session, recorder = started()
    recorder.end(result(**ended))
    run = session.runs["a"]
    assert (run.ok, run.code, run.signal, run.late) == (False, code, number, late)


def test_runs_of_one_process_number_are_kept_apart() -> None:
    """Each run has process numbers of its own."""
    session = SessionSeen("trial")
    both = Recorder(session, "(evaluation)")
    recorders = [both.begin(label, ["python"], key, 1.0) for label, key in (("a", b"1"), ("b", b"2"))]
    for recorder, key, forwards in zip(recorders, (b"1", b"2"), (3, 5), strict=True):
        recorder.hear(line(key, kind="Started", at=1.5, pid=7, n=1, parent=6, argv=["python"], run="a", mode="trial"))
        recorder.hear(
            line(
                key,
                kind="Counts",
                at=2.0,
                pid=7,
                n=2,
                forwards=forwards,
                forwards_training=0,
                backwards=0,
                steps=0,
                answers=0,
                answers_alike=0,
            )
        )
        recorder.hear(
            line(
                b"3", kind="Counts", at=2.0, pid=7, n=2, forwards=99, forwards_training=0, backwards=0, steps=0, answers=0, answers_alike=0
            )
        )
    recorders[0].hear(
        line(b"2", kind="Counts", at=2.0, pid=7, n=2, forwards=98, forwards_training=0, backwards=0, steps=0, answers=0, answers_alike=0)
    )
    assert [session.runs[label].total("forwards") for label in "ab"] == [3, 5]
    assert session.forged == 3


def test_forged_event_is_dropped_and_counted() -> None:
    session, recorder = started()
    recorder.hear(
        line(
            b"a guess",
            kind="Counts",
            at=2.0,
            pid=7,
            n=2,
            forwards=999,
            forwards_training=0,
            backwards=0,
            steps=0,
            answers=0,
            answers_alike=0,
        )
    )
    recorder.hear(b'{"kind": "Ended", "pid": 7}\n')
    assert session.runs["a"].total("forwards") == 0
    assert session.runs["a"].processes[7].ended is None
    assert session.forged == 2


def test_event_of_the_right_key_and_the_wrong_shape_harms_nothing() -> None:
    session, recorder = started()
    for event in ({"kind": "Counts"}, {"kind": "Loader", "pid": 7}, {"kind": "Started"}, {"kind": "of no kind"}, {"no": "kind"}):
        recorder.hear(line(KEY, **event))
    assert session.runs["a"].processes[7].counts == {}


def test_more_events_than_can_be_kept_are_dropped_and_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "MOST_BYTES", 10_000)
    session = SessionSeen("trial")
    both = Recorder(session, "(evaluation)")
    recorder = both.begin("a", ["python"], KEY, 1.0)
    recorder.hear(line(KEY, kind="Started", at=1.5, pid=7, n=1, parent=6, argv=["python"], run="a", mode="trial"))
    for number in range(100):
        recorder.hear(line(KEY, kind="Written", at=2.0, pid=7, n=number, paths=["x" * 1000]))
    assert len(session.runs["a"].processes[7].files) < 10 and both.overflowed


def test_fork_of_a_process_adds_to_it_but_its_counts_do_not_count_twice() -> None:
    session, recorder = started()
    recorder.hear(
        line(KEY, kind="Counts", at=2.0, pid=7, n=2, forwards=3, forwards_training=2, backwards=2, steps=1, answers=0, answers_alike=0)
    )
    recorder.hear(
        line(
            KEY,
            kind="Counts",
            at=2.1,
            pid=8,
            n=1,
            fork_of=7,
            forwards=4,
            forwards_training=2,
            backwards=2,
            steps=1,
            answers=0,
            answers_alike=0,
        )
    )
    recorder.hear(line(KEY, kind="Written", at=2.2, pid=8, n=2, fork_of=7, paths=["/tmp/figure.pdf"]))
    run = session.runs["a"]
    assert (run.total("forwards"), run.processes[7].files, session.forged) == (3, ["/tmp/figure.pdf"], 0)


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(data: bytes) -> None:
    session, recorder = started()
    recorder.hear(data)
    assert session.forged == 1


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_json_under_the_right_key_is_survived(value: Any) -> None:
    _, recorder = started()
    for kind in (
        "Counts",
        "Loader",
        "Loop",
        "Config",
        "Optimizer",
        "Changed",
        "Losses",
        "Failed",
        "LoggedKeys",
        "Tracking",
        "Ended",
        "Answers",
    ):
        recorder.hear(
            line(
                KEY,
                kind=kind,
                pid=7,
                at=1.0,
                n=3,
                place=value,
                batches=value,
                keys=value,
                values=value,
                names=value,
                number=value,
                chain=value,
                what=value,
            )
        )


@pytest.mark.parametrize(("limit", "is_unsettled"), [(Limit.MEMORY, True), (Limit.TIME, False), (None, False)])
def test_run_that_a_limit_ends_shows_no_fault(limit: Limit | None, is_unsettled: bool) -> None:
    session, recorder = started()
    recorder.end(result(exit_code=None, signal=9, limit=limit, reason="more than 8 GiB of memory"))
    assert session.runs["a"].unsettled == ("it was ended: more than 8 GiB of memory" if is_unsettled else "")
    assert session.runs["a"].late == (limit is Limit.TIME)


@given(st.sampled_from(sorted(events.KINDS)).flatmap(lambda name: st.from_type(events.KINDS[name])))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_every_event_arrives_as_it_was_said(event: Any) -> None:
    """From the probe's end of the channel to the gate's: nothing is taken for forged, and nothing changes on the way."""
    head = events.Head(type(event).__name__, 7, 2, 2.0)
    written = json.dumps(vars(head) | vars(event), default=channel._plain)
    session, recorder = started()
    recorder.hear(line(KEY, **json.loads(written)))
    assert session.forged == 0
    back = recorders._EVENTS[head.kind].validate_python(json.loads(written))
    assert json.dumps(vars(back), default=channel._plain) == json.dumps(vars(event), default=channel._plain)


def test_event_that_is_too_long_is_left_out_and_is_not_forged() -> None:
    session, recorder = started()
    recorder.hear(line(KEY, kind="Failed", at=2.0, pid=7, n=2, cut=True, left_out=["chain"]))
    assert (session.forged, session.runs["a"].processes[7].failures) == (0, [])
