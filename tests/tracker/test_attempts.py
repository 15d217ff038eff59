"""Several processes under one run id: reruns, resumed runs, folders synced late, and processes that live at once. No row that was stored is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.tracker.settings import Settings
from gonogo.tracker.store import Store
from gonogo.tracker.store.history import Chunk


@dataclass
class Process:
    """A process that logs: its rows have steps, times, and its name under `who`."""

    run: Run
    who: str
    begin: float
    gap: float = 1.0
    first_step: int = 0
    sent: int | None = None
    rows: list[str] = field(default_factory=list)

    def log(self, count: int, *, send: bool = True) -> Process:
        """Log some rows, and send all that were not sent."""
        for _ in range(count):
            at = len(self.rows)
            passed = at * self.gap
            row = {"_step": self.first_step + at, "_timestamp": self.begin + passed, "_runtime": passed, "who": self.who, "n": at}
            self.rows.append(json.dumps(row))
        if send:
            self.send()
        return self

    def send(self, upto: int | None = None) -> None:
        """Send rows as the client does: its lines are numbered from those on that the run had when it began."""
        if self.sent is None:
            self.sent, self.offset = 0, self.run.stored()
        upto = len(self.rows) if upto is None else upto
        self.run.store.history.store(self.run.number, Chunk(rows=self.rows[self.sent : upto], first_row=self.offset + self.sent))
        self.sent = upto

    def sync(self) -> None:
        """Send everything once more, as `wandb sync` does."""
        self.run.store.history.store(self.run.number, Chunk(rows=self.rows, first_row=self.run.stored()))


class Run:
    """A run in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        project = store.runs.make_project("lab", "p")["id"]
        self.number, _ = store.runs.upsert(project, "r", {})

    @property
    def count(self) -> int:
        row = self.store.runs.get(self.number)
        assert row is not None
        return int(row["rows"])

    def process(self, who: str, begin: float, **more: Any) -> Process:
        return Process(self, who, begin, **more)

    def shown(self) -> list[tuple[int, str]]:
        """Steps with who logged them, as readers get them page by page, and as everything else must agree."""
        last = self.store.history.ends(self.number)
        pages = [self.store.history.page(self.number, at, at + 7, 7) for at in range(0, (last[1] if last else 0) + 1, 7)]
        rows = [json.loads(line) for page in pages for line in page]
        assert len(rows) == self.count == len(self.store.history.places(self.number))
        metrics = {row["name"]: row["rows"] for row in self.store.history.metrics(self.number)}
        assert metrics == ({name: len(rows) for name in ("_step", "_timestamp", "_runtime", "who", "n")} if rows else {})
        return [(row["_step"], row["who"]) for row in rows]

    def stored(self) -> int:
        """How many rows there are, shown or not."""
        (count,) = self.store.database.read().execute("SELECT COUNT(*) FROM history WHERE run = ?", (self.number,)).fetchone()
        return int(count)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    store = Store(Settings(tmp_path / "data"))
    yield Run(store)
    store.close()


@contextmanager
def new_run() -> Iterator[Run]:
    """A run in a store of its own, in memory where there is a file system for that: hypothesis makes hundreds."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with TemporaryDirectory(dir=place) as folder, closing(Store(Settings(Path(folder) / "data"))) as store:
        yield Run(store)


def rows(who: str, steps: Sequence[int]) -> list[tuple[int, str]]:
    return [(step, who) for step in steps]


def test_what_is_sent_twice_is_stored_once(run: Run) -> None:
    process = run.process("a", 100).log(5)
    for _ in range(3):
        process.sync()
    process.log(5)
    process.sync()
    assert run.shown() == rows("a", range(10))
    assert run.stored() == 10


def test_a_rerun_supersedes_what_was_logged_before(run: Run) -> None:
    run.process("a", 100).log(10)
    rerun = run.process("b", 200).log(1)
    assert run.shown() == rows("b", range(1))
    rerun.log(3)
    assert run.shown() == rows("b", range(4))
    assert run.stored() == 14


def test_a_rerun_from_a_later_step_leaves_what_came_before(run: Run) -> None:
    run.process("a", 100).log(10)
    run.process("b", 200, first_step=6).log(2)
    assert run.shown() == rows("a", range(6)) + rows("b", (6, 7))


def test_reruns_of_reruns(run: Run) -> None:
    for number, count in enumerate((9, 3, 5, 1, 4)):
        run.process(str(number), 100.0 * number).log(count)
    assert run.shown() == rows("4", range(4))
    assert run.stored() == 22
    assert run.store.history.processes(run.number) == 1


@pytest.mark.slow
def test_processes_that_live_at_once_keep_all_rows(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    ranks = [run.process(str(rank), 100 + rank / 100) for rank in range(3)]
    for _ in range(30):
        for rank in ranks:
            rank.log(1)
    assert sorted(run.shown()) == [(step, str(rank)) for step in range(30) for rank in range(3)]
    assert run.store.history.processes(run.number) == 3
    assert "processes log it at once; the rows of all are kept" in caplog.text


def test_a_process_taken_for_dead_that_speaks_again_gets_its_rows_back(run: Run) -> None:
    first = run.process("a", 100).log(5)
    second = run.process("b", 104.5).log(3)
    assert run.shown() == rows("b", range(3))
    first.log(5)
    assert sorted(run.shown()) == sorted(rows("a", range(10)) + rows("b", range(3)))
    second.log(1)
    assert len(run.shown()) == 14


def test_a_resumed_run_goes_on_and_what_its_predecessor_had_not_sent_stays_out(run: Run) -> None:
    crashed = run.process("a", 100).log(10).log(5, send=False)
    run.process("b", 300, first_step=10).log(4)
    assert run.shown() == rows("a", range(10)) + rows("b", range(10, 14))
    crashed.sync()
    assert run.shown() == rows("a", range(10)) + rows("b", range(10, 14))
    assert run.stored() == 19


def test_a_folder_of_a_superseded_process_that_is_synced_late_stays_out(run: Run) -> None:
    old = run.process("a", 100).log(8, send=False)
    run.process("b", 200).log(5)
    old.sync()
    assert run.shown() == rows("b", range(5)) + rows("a", range(5, 5))
    assert run.stored() == 13


def test_a_resumed_run_whose_predecessor_still_lives_keeps_both(run: Run) -> None:
    first = run.process("a", 100).log(10)
    run.process("b", 109.5, first_step=10).log(5)
    first.log(5)
    assert sorted(run.shown()) == sorted(rows("a", range(15)) + rows("b", range(10, 15)))


def test_a_rewound_run_goes_on_from_its_step(run: Run) -> None:
    run.process("a", 100).log(10)
    run.store.history.rewind(run.number, 4)
    assert run.shown() == rows("a", range(5))
    run.process("b", 200, first_step=5).log(2)
    assert run.shown() == rows("a", range(5)) + rows("b", (5, 6))
    run.store.history.rewind(run.number, 5)
    run.process("c", 300, first_step=8).log(2)
    assert run.shown() == rows("a", range(5)) + rows("b", (5,)) + rows("c", (8, 9))
    assert run.stored() == 14


def test_rows_without_times_are_kept_as_they_first_came(run: Run) -> None:
    for value in (1, 2):
        run.store.history.store(run.number, Chunk(rows=[json.dumps({"_step": step, "x": value}) for step in range(3)]))
    assert [json.loads(line)["x"] for line in run.store.history.page(run.number, 0, 9, 9)] == [1, 1, 1]


def test_a_clock_that_goes_back_loses_nothing(run: Run) -> None:
    for step in range(5):
        run.store.history.store(run.number, Chunk(rows=[json.dumps({"_step": step, "_timestamp": 100 - step})], first_row=step))
    assert run.count == 5


def test_a_step_that_is_hidden_already_hides_nothing_else(run: Run) -> None:
    run.process("0", 0).log(2)
    run.process("1", 1000).log(1)
    run.process("2", 2000, first_step=2).log(1)
    run.process("3", 3000, first_step=1).log(1)
    assert run.shown() == [(0, "1"), (1, "3"), (2, "2")]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_interleaving_of_live_processes_keeps_every_row_once(data: st.DataObject) -> None:
    with new_run() as run:
        count = data.draw(st.integers(2, 4))
        length = data.draw(st.integers(2, 30))
        # All live from before the first row of any to after the last row of any but one.
        processes = [
            run.process(str(number), 100 + number / 7, gap=data.draw(st.floats(1, 1.5))).log(length, send=False) for number in range(count)
        ]
        while any(process.sent != length for process in processes):
            process = data.draw(st.sampled_from([process for process in processes if process.sent != length]))
            process.send(data.draw(st.integers((process.sent or 0) + 1, length)))
            if data.draw(st.booleans()):
                begin = data.draw(st.integers(0, process.sent or 0))
                run.store.history.store(run.number, Chunk(rows=process.rows[begin : process.sent], first_row=process.offset + begin))
        assert sorted(run.shown()) == sorted((step, process.who) for process in processes for step in range(length))
        assert run.stored() == count * length


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_processes_of_very_different_speed_keep_every_row_if_one_lives_as_long_as_all(data: st.DataObject) -> None:
    with new_run() as run:
        slow = run.process("slow", 100, gap=data.draw(st.floats(20, 100))).log(data.draw(st.integers(2, 9)), send=False)
        others = [
            run.process(str(number), 100.5 + data.draw(st.integers(0, 900)) / 100 + number / 1000, gap=data.draw(st.floats(0.001, 30))).log(
                data.draw(st.integers(1, 20)), send=False
            )
            for number in range(data.draw(st.integers(2, 4)))
        ]
        processes = [slow, *others]
        while waiting := [process for process in processes if process.sent != len(process.rows)]:
            process = data.draw(st.sampled_from(waiting))
            process.send(data.draw(st.integers((process.sent or 0) + 1, len(process.rows))))
        assert sorted(run.shown()) == sorted((step, process.who) for process in processes for step in range(len(process.rows)))


def test_a_rerun_supersedes_all_processes_that_lived_at_once(run: Run) -> None:
    run.process("a", 100, gap=0.1).log(3)
    run.process("b", 100.05, gap=50).log(3)
    run.process("c", 130, gap=0.1).log(3)  # after all that "a" did, while "b" lives
    assert len(run.shown()) == 9
    run.process("again", 1000).log(2)
    assert run.shown() == rows("again", (0, 1))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=6), st.data())
def test_attempts_one_after_the_other_show_the_newest_from_its_first_step_on(attempts: list[tuple[int, int]], data: st.DataObject) -> None:
    with new_run() as run:
        expected: dict[int, str] = {}
        for number, (first, length) in enumerate(attempts):
            process = run.process(str(number), 1000.0 * number, first_step=first)
            process.log(length, send=False)
            taken = any(step in expected for step in range(first, first + length))
            common = min((step for step in range(first, first + length) if step in expected), default=0)
            expected = {step: who for step, who in expected.items() if not taken or step < common}
            expected |= dict.fromkeys(range(first, first + length), str(number))
            for upto in sorted(data.draw(st.lists(st.integers(1, length), max_size=3))):
                process.send(upto)
            process.send()
        assert run.stored() == sum(length for _, length in attempts)
        shown = run.shown()
        assert {step for step, _ in shown} == expected.keys()
        for step, who in shown:
            assert who == expected[step]


# Processes that share a run and say so


def shared(run: Run, who: str, offset: int, texts: Sequence[str], **more: Any) -> None:
    run.store.history.store(run.number, Chunk(rows=texts, first_row=offset, writer=who, **more))


def numbered(run: Run) -> list[tuple[int, str, int]]:
    found = [json.loads(line) for line in run.store.history.page(run.number, 0, 99, 99)]
    return [(row["_step"], row["who"], row["n"]) for row in found]


def test_the_server_numbers_the_steps_of_processes_that_share_a_run(run: Run) -> None:
    a, b = ([json.dumps({"who": who, "n": n, "_timestamp": 1.5}) for n in range(4)] for who in "ab")
    shared(run, "a", 0, a[:2])
    shared(run, "b", 0, b[:1])
    shared(run, "a", 2, a[2:])
    shared(run, "a", 1, a[1:3])  # sent twice: a reply was lost
    shared(run, "b", 1, b[1:])
    expected = [(0, "a", 0), (1, "a", 1), (2, "b", 0), (3, "a", 2), (4, "a", 3), (5, "b", 1), (6, "b", 2), (7, "b", 3)]
    assert numbered(run) == expected
    shared(run, "synced", 0, a)  # a folder that is synced again has a name of its own
    assert numbered(run) == expected
    assert run.count == 8


def test_processes_that_share_a_run_keep_their_consoles_and_summaries(run: Run) -> None:
    shared(run, "a", 0, [], lines={"output.log": (0, ["a0", "a1"])}, summary='{"x": 1}')
    shared(run, "b", 0, [], lines={"output.log": (0, ["b0"])}, summary='{"y": 2}')
    shared(run, "a", 0, [], lines={"output.log": (1, ["a1 again", "a2"])})
    assert [line for _, line in run.store.history.lines(run.number, "output.log", 0, 9)] == ["a0", "a1 again", "b0", "a2"]
    row = run.store.runs.get(run.number, "summary")
    assert row is not None and json.loads(row["summary"]) == {"x": 1, "y": 2}


def test_a_worker_does_not_set_a_finished_run_going(run: Run) -> None:
    shared(run, "a", 0, ['{"who": "a", "n": 0}'])
    shared(run, "a", 1, [], complete=True, exit_code=0)
    shared(run, "b", 0, ['{"who": "b", "n": 0}'])
    row = run.store.runs.get(run.number)
    assert row is not None and (row["state"], row["rows"]) == ("finished", 2)


@pytest.mark.parametrize("line", ["{}", '{"a":1}', ' { "a" : 1 }', '{"_step": 7, "a": 1}', '{"a":NaN}'])
def test_a_row_of_a_shared_run_is_given_its_step(run: Run, line: str) -> None:
    shared(run, "a", 0, [line])
    (found,) = run.store.history.page(run.number, 0, 9, 9)
    assert json.dumps(json.loads(found) | {"_step": 0}) == json.dumps(
        {"_step": 0, **{k: v for k, v in json.loads(line).items() if k != "_step"}}
    )
