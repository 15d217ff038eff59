"""The event channel from the gate's end: what is taken, what is dropped, and what becomes of odd events."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gonogo.execution.observations import SessionSeen
from gonogo.execution.recorder import Recorder

PROBE, DRIVER = b"probe key", b"driver key"


def line(key: bytes, **event: Any) -> bytes:
    body = json.dumps(event).encode()
    return hashlib.blake2b(body, key=key, digest_size=8).hexdigest().encode() + b" " + body + b"\n"


def started() -> Recorder:
    recorder = Recorder(SessionSeen("trial"), PROBE, DRIVER, "(evaluation)")
    recorder.hear(line(DRIVER, kind="run-start", at=1.0, run="a", argv=["python"]))
    recorder.hear(line(PROBE, kind="process", at=1.5, pid=7, n=1, parent=6, argv=["python"], run="a", mode="trial"))
    return recorder


def test_run_is_put_together() -> None:
    recorder = started()
    recorder.hear(line(PROBE, kind="counts", at=2.0, pid=7, n=2, forwards=3, forwards_training=2, backwards=2, steps=1))
    recorder.hear(line(DRIVER, kind="line", at=2.0, run="a", stream="stdout", text="hello"))
    recorder.hear(line(DRIVER, kind="run-end", at=3.0, run="a", code=0, signal=None, late=False, seconds=2.0, error=""))
    recorder.hear(line(DRIVER, kind="driver-end", at=3.0))
    run = recorder.session.runs["a"]
    assert run.ok
    assert run.total("forwards") == 3
    assert run.output == [("stdout", "hello")]
    assert recorder.driver_ended
    assert recorder.session.forged == 0


def test_forged_event_is_dropped_and_counted() -> None:
    recorder = started()
    recorder.hear(line(b"a guess", kind="counts", at=2.0, pid=7, n=2, forwards=999, forwards_training=0, backwards=0, steps=0))
    recorder.hear(b'{"kind": "run-end", "run": "a", "code": 0}\n')
    assert recorder.session.runs["a"].total("forwards") == 0
    assert not recorder.session.runs["a"].ended
    assert recorder.session.forged == 2


def test_key_of_a_probe_does_not_open_the_drivers_events() -> None:
    recorder = started()
    recorder.hear(line(PROBE, kind="run-end", at=3.0, run="a", code=0, signal=None, late=False, seconds=2.0, error=""))
    assert not recorder.session.runs["a"].ended


def test_event_of_the_right_key_and_the_wrong_shape_harms_nothing() -> None:
    recorder = started()
    for event in ({"kind": "counts"}, {"kind": "loader", "pid": 7}, {"kind": "process"}, {"kind": "of no kind"}, {"no": "kind"}):
        recorder.hear(line(PROBE, **event))
    assert recorder.session.runs["a"].processes[7].counts == {}


def test_fork_of_a_process_adds_to_it_but_its_counts_do_not_count_twice() -> None:
    recorder = started()
    recorder.hear(line(PROBE, kind="counts", at=2.0, pid=7, n=2, forwards=3, forwards_training=2, backwards=2, steps=1))
    recorder.hear(line(PROBE, kind="counts", at=2.1, pid=8, n=1, fork_of=7, forwards=4, forwards_training=2, backwards=2, steps=1))
    recorder.hear(line(PROBE, kind="written", at=2.2, pid=8, n=2, fork_of=7, paths=["/tmp/figure.pdf"]))
    run = recorder.session.runs["a"]
    assert (run.total("forwards"), run.processes[7].files, recorder.session.forged) == (3, ["/tmp/figure.pdf"], 0)


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(data: bytes) -> None:
    recorder = started()
    recorder.hear(data)
    assert recorder.session.forged == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_json_under_the_right_key_is_survived(value: Any) -> None:
    recorder = started()
    for kind in ("counts", "loader", "loop", "config", "optimizer", "changed", "losses", "exception", "logged", "wandb", "end", "answers"):
        recorder.hear(
            line(
                PROBE,
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
