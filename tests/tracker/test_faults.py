"""What a tracker keeps when something goes wrong: processes are killed, the disk is full, the clock is set, calls are cut off or make no sense."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults import kills, raw, train
from faults.forwarder import Forwarder

from gonogo.model.errors import UsageError
from gonogo.tracker import Tracker, running

HERE = Path(__file__).parent / "faults"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
MOST_MEMORY = 150.0
LONG = "9" * 5000  # more digits than Python converts


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """The value of a condition once it is true."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    return pytest.fail(f"waited {seconds:.0f} s for {what}")


def has_rows(tracker: Tracker, run: str) -> bool:
    """Whether a run, which may not be there yet, has logged something."""
    project = raw.graphql(tracker, raw.STATE, name=run)[1]["data"]["project"]
    return bool(project and project["run"] and project["run"]["history"])


def rows_of(tracker: Tracker, run: str) -> list[dict[str, Any]]:
    """The rows of a run, without what the client adds."""
    found = [json.loads(line) for line in raw.look(tracker, run)["history"]]
    return [{key: value for key, value in row.items() if key not in ("_runtime", "_timestamp")} for row in found]


def expected_rows(count: int) -> list[dict[str, Any]]:
    """What the training script logs."""
    return [train.row(step) | {"_step": step} for step in range(count)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracker]:
    """One tracker for the tests that only talk nonsense to it."""
    with running(tmp_path_factory.mktemp("faults") / "data") as tracker:
        yield tracker


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for clients."""
    folder = tmp_path / "clients"
    folder.mkdir()
    return folder


# kill -9


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_by_kills(tmp_path: Path) -> None:
    """Fifty of them are `python -m faults.kills --kills 50`, see docs/tracker.md: these are as many as the tests have time for."""
    rows, number = 600, 16
    outcome = kills.Bench(tmp_path, seed=1, rows=rows, at_once=3).work(number)
    print(kills.table(outcome.kills))
    assert len(outcome.kills) == number
    assert {kill.who for kill in outcome.kills} == {*kills.WHO}
    assert kills.wrong(outcome, rows) == []
    assert sum(map(len, outcome.told.values())) > 300
    assert outcome.files and outcome.artifacts


@pytest.mark.slow
def test_rows_outlive_a_killed_server(tmp_path: Path) -> None:
    lines = [json.dumps({"_step": step, "_timestamp": step, "x": step / 7}) for step in range(50)]
    with running(tmp_path / "data") as tracker:
        raw.make_run(tracker, "r")
        assert raw.stream(tracker, "r", raw.history(*lines)) == 200
        tracker.process.kill()
    assert kills.integrity(tmp_path / "data") == "ok"
    with running(tmp_path / "data") as tracker:
        assert raw.look(tracker, "r")["history"] == lines
        assert raw.stream(tracker, "r", raw.history(*lines[25:])) == 200  # as a client does that was not told
        assert raw.look(tracker, "r")["history"] == lines
        assert raw.look(tracker, "r")["historyLineCount"] == 50


# two servers


@pytest.mark.slow
def test_a_folder_has_one_tracker(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with running(folder) as first:
        raw.make_run(first, "r")
        with (
            pytest.raises(UsageError, match=f"another tracker .process {first.process.pid}. works on this folder; stop it"),
            running(folder),
        ):
            pass
        command = [sys.executable, "-m", "gonogo.tracker", str(folder), "0", "300"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second:
            assert second.wait(30) == 2
            assert second.stdout is not None and second.stderr is not None
            assert (second.stdout.read(), second.stderr.read().count("\n")) == ("", 1)
        assert raw.stream(first, "r", raw.history('{"_step": 0}')) == 200
        first.process.kill()
        first.process.wait()
        with running(folder, port=raw.port_of(first)) as third:
            assert raw.look(third, "r")["historyLineCount"] == 1


# a full disk


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[bool], None]]:
    """A folder on a disk of its own, and what fills it and frees it again."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")

    def fill(full: bool) -> None:
        filler = folder / "filler"
        if not full:
            filler.unlink()
            return
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    try:
        yield fill
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def log_through_a_full_disk(tracker: Tracker, place: Path, fill: Callable[[bool], None]) -> None:
    """Let a client log while the disk gets full and free again: nothing is lost, and what is there can be read all the time."""
    rows = 1500
    with Forwarder(raw.port_of(tracker)) as forwarder:
        client = kills.Client("r", rows, place, tracker.environment(place) | {"WANDB_BASE_URL": forwarder.url})
        try:
            wait_for(lambda: forwarder.snapshot().get("r"), "the first rows")
            small, large = (raw.upload_path(tracker, "r", name) for name in ("small.txt", "large.bin"))
            assert raw.request(tracker, "PUT", small, b"before")[0] == 200
            fill(True)
            wait_for(lambda: forwarder.statuses[503] >= 3, "the server to say that it can't store")
            told = forwarder.snapshot()["r"]
            assert raw.request(tracker, "PUT", large, bytes(1 << 20))[0] == 503
            assert raw.make_run(tracker, "another")[0] == 503
            assert [json.loads(line)["_step"] for line in raw.look(tracker, "r")["history"]] == [*range(len(told))]
            assert raw.files(tracker, "r")["small.txt"] == b"before"
            fill(False)
            (place / "hurry").touch()
            assert raw.request(tracker, "PUT", large, bytes(1 << 20))[0] == 200
            assert client.process.wait(60) == 0, client.said()
        finally:
            client.kill()
    found = raw.look(tracker, "r")
    assert (found["state"], found["historyLineCount"]) == ("finished", rows)
    assert rows_of(tracker, "r") == expected_rows(rows)
    assert {"small.txt", "large.bin", "config.yaml", "wandb-summary.json"} <= raw.files(tracker, "r").keys()
    assert {*forwarder.statuses} == {200, 503}
    of_artifacts = 2 * (rows // train.EVERY)  # each has a file and a manifest
    assert len([*(tracker.folder / "files").iterdir()]) == len(raw.files(tracker, "r")) + of_artifacts  # nothing half-written is left
    tracker.process.kill()
    tracker.process.wait()
    assert kills.integrity(tracker.folder) == "ok"


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path, place: Path) -> None:
    with small_disk(tmp_path / "disk") as fill, running(tmp_path / "disk" / "data") as tracker:
        log_through_a_full_disk(tracker, place, fill)


@pytest.mark.slow
def test_files_that_may_not_grow(tmp_path: Path, place: Path) -> None:
    with running(tmp_path / "data") as tracker:
        unlimited = resource.prlimit(tracker.process.pid, resource.RLIMIT_FSIZE)

        def fill(full: bool) -> None:
            most = (tmp_path / "data" / "tracker.sqlite3-wal").stat().st_size
            resource.prlimit(tracker.process.pid, resource.RLIMIT_FSIZE, (most, unlimited[1]) if full else unlimited)

        log_through_a_full_disk(tracker, place, fill)


# the clock


@pytest.mark.slow
@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not here: apt-get install faketime")
def test_a_clock_that_is_set(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, day = 3000, 86400
    offset = tmp_path / "offset"

    def set_clock(seconds: int) -> None:
        (tmp_path / "new").write_text(f"{seconds:+}\n")
        (tmp_path / "new").rename(offset)

    @contextmanager
    def served() -> Iterator[Tracker]:
        with monkeypatch.context() as patch:
            patch.setenv("LD_PRELOAD", str(FAKETIME))
            patch.setenv("FAKETIME_TIMESTAMP_FILE", str(offset))
            patch.setenv("FAKETIME_NO_CACHE", "1")
            patch.setenv("DONT_FAKE_MONOTONIC", "1")
            started = running(tmp_path / "data", silence=4)
            tracker = started.__enter__()
        try:
            yield tracker
        finally:
            started.__exit__(None, None, None)

    set_clock(0)
    with served() as tracker:
        client = kills.Client("r", rows, place, tracker.environment(place))
        try:
            wait_for(lambda: has_rows(tracker, "r"), "the first rows")
            link = raw.upload_path(tracker, "r", "a.txt")
            set_clock(-day)
            assert raw.request(tracker, "PUT", link, b"yesterday")[0] == 200
            assert raw.make_run(tracker, "yesterday")[0] == 200
            assert created(tracker, "yesterday") < created(tracker, "r")  # the clock is really another
            assert raw.look(tracker, "r")["state"] == "running"
            set_clock(day)
            assert raw.look(tracker, "r")["state"] == "running"
            assert raw.request(tracker, "PUT", link, b"tomorrow")[0] == 200
            assert raw.files(tracker, "r")["a.txt"] == b"tomorrow"
            client.kill()
            set_clock(-day)
            wait_for(lambda: raw.look(tracker, "r")["state"] == "crashed", "the silence to be noticed", 10)
            before = raw.look(tracker, "r")["historyLineCount"]
            assert 0 < before < rows
            (place / "hurry").touch()
            client.start()
            assert client.process.wait(60) == 0, client.said()
        finally:
            client.kill()
        assert raw.look(tracker, "r")["state"] == "finished"
        # the clock of a client goes back between two rows
        raw.make_run(tracker, "back")
        lines = [json.dumps({"_step": step, "_timestamp": 1000 - step}) for step in range(5)]
        for line in lines:
            assert raw.stream(tracker, "back", raw.history(line)) == 200
        assert raw.look(tracker, "back")["history"] == lines
        set_clock(day)
        late = raw.upload_path(tracker, "r", "late.txt")
    set_clock(-day)
    with served() as tracker:
        assert rows_of(tracker, "r") == expected_rows(rows)
        assert raw.request(tracker, "PUT", late, b"")[0] == 403  # signed by a server whose clock stood two days later
        assert raw.look(tracker, "back")["state"] == "running"  # nobody could hear it while the server was down
        wait_for(lambda: raw.look(tracker, "back")["state"] == "crashed", "the silence to be noticed", 10)
        assert raw.look(tracker, "r")["state"] == "finished"


def created(tracker: Tracker, run: str) -> str:
    """When a run was made, as the tracker says."""
    query = 'query Created($name: String!) { project(name: "faults", entityName: "lab") { run(name: $name) { createdAt } } }'
    return str(raw.graphql(tracker, query, name=run)[1]["data"]["project"]["run"]["createdAt"])


# silence


@pytest.mark.slow
def test_a_silent_run_has_crashed(tmp_path: Path) -> None:
    def crashed(tracker: Tracker) -> list[str]:
        query = """{ project(name: "faults", entityName: "lab") { runs(filters: "{\\"state\\": \\"crashed\\"}") { edges { node { name } } } } }"""
        return [edge["node"]["name"] for edge in raw.graphql(tracker, query)[1]["data"]["project"]["runs"]["edges"]]

    with running(tmp_path / "data", silence=0.5) as tracker:
        for name in ("silent", "failed", "done"):
            raw.make_run(tracker, name)
        for name, code in (("failed", 1), ("done", 0)):
            assert raw.stream(tracker, name, {"complete": True, "exitcode": code}) == 200
        assert raw.look(tracker, "silent")["state"] == "running"
        assert crashed(tracker) == []
        wait_for(lambda: raw.look(tracker, "silent")["state"] == "crashed", "the silence to be noticed", 5)
        wait_for(lambda: crashed(tracker) == ["silent"], "the list of crashed runs", 5)  # nothing was written in between
        assert raw.stream(tracker, "silent", {}) == 200
        assert raw.look(tracker, "silent")["state"] == "running"
        assert [raw.look(tracker, name)["state"] for name in ("failed", "done")] == ["failed", "finished"]


@pytest.mark.slow
def test_a_killed_client_has_crashed_until_it_resumes(tmp_path: Path, place: Path) -> None:
    silence = 4.0
    with running(tmp_path / "data", silence=silence) as tracker:
        client = kills.Client("r", 3000, place, tracker.environment(place))
        try:
            wait_for(lambda: has_rows(tracker, "r"), "the first rows")
            client.kill()
            begin = time.monotonic()
            assert raw.look(tracker, "r")["state"] == "running"
            wait_for(lambda: raw.look(tracker, "r")["state"] == "crashed", "the silence to be noticed", 120)
            assert time.monotonic() - begin > silence - 2
            client.start()
            wait_for(lambda: raw.look(tracker, "r")["state"] == "running", "the run to be resumed")
            client.process.send_signal(signal.SIGINT)  # the script ends with an exception
            assert client.process.wait(60) != 0
        finally:
            client.kill()
        assert raw.look(tracker, "r")["state"] == "failed"


# calls that are cut off, and calls that make no sense


NONSENSE: list[bytes | dict[str, Any]] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"files":' * 50_000,
    {"files": [1]},
    {"files": "x"},
    {"files": {"output.log": None}},
    {"files": {"output.log": {"offset": "x", "content": ["a"]}}},
    {"files": {"output.log": {"offset": 1.5, "content": ["a"]}}},
    {"files": {"output.log": {"offset": True, "content": ["a"]}}},
    {"files": {"output.log": {"offset": -5, "content": ["a"]}}},
    {"files": {"output.log": {"offset": 2**70, "content": ["a"]}}},
    {"files": {"output.log": {"offset": 2**63 - 1, "content": ["a", "b"]}}},
    {"files": {"output.log": {"offset": 0, "content": "a"}}},
    {"files": {"\ud800": {"offset": 0, "content": ["a"]}}},
    {"files": {"wandb-summary.json": {"offset": 0, "content": ["{"]}}},
    {"files": {"wandb-summary.json": {"offset": 0, "content": ["[]"]}}},
    {"files": {"wandb-summary.json": {"offset": 0, "content": [f'{{"a": {LONG}}}']}}},
    {"files": {"wandb-events.jsonl": {"offset": 0, "content": ["{"]}}},
    {"files": {"wandb-events.jsonl": {"offset": 0, "content": ["5"]}}},
    {"complete": True, "exitcode": 2**70},
    *(
        raw.history('{"_step": 7, "_timestamp": 7}', line)  # the good one must not be stored either
        for line in (
            "x",
            "[]",
            "{}",
            '{"_step": "1"}',
            '{"_step": true}',
            '{"_step": 1.5}',
            '{"_step": null}',
            f'{{"_step": {2**63}}}',
            f'{{"_step": {-(2**63) - 1}}}',
            f'{{"_step": {LONG}}}',
            f'{{"_step": 3, "x": {LONG}}}',
            '{"_step": 0, "_timestamp": "later"}',
            '{"_step": 0, "_timestamp": null}',
            '{"_step": 3, "\\ud800": 1}',
            "[" * 5000,
            '{"_step": 3, "x": ' + "[" * 100_000,
        )
    ),
]


@pytest.mark.slow
def test_a_file_stream_that_makes_no_sense_changes_nothing(shared: Tracker) -> None:
    raw.make_run(shared, "sense")
    good = raw.history(*(json.dumps({"_step": step, "_timestamp": 5, "x": step}) for step in range(3)))
    good["files"]["wandb-summary.json"] = {"offset": 0, "content": ['{"x": 2}']}
    assert raw.stream(shared, "sense", good) == 200
    before = raw.look(shared, "sense")
    answers = {repr(body)[:80]: raw.stream(shared, "sense", body) for body in NONSENSE}
    assert {*answers.values()} == {400}, {body: status for body, status in answers.items() if status != 400}
    assert raw.look(shared, "sense") == before
    whole = """{ project(name: "faults", entityName: "lab") { runs(filters: "{\\"summary_metrics.x\\": 2}") { edges { node {
        name systemMetrics eventsTail wandbConfig(keys: ["t"]) logLines(first: 10) { edges { node { line } } } } } } } }"""
    status, answer = raw.graphql(shared, whole)
    assert (status, [edge["node"]["name"] for edge in answer["data"]["project"]["runs"]["edges"]]) == (200, ["sense"])


def test_console_lines_of_any_kind_can_be_read(shared: Tracker) -> None:
    raw.make_run(shared, "console")
    lines = ['{"content":1,"ts":[1]}', '{"content":1,"level":{}}', f'{{"content":1,"x":{LONG}}}', "{", "\x00", "ERROR x", "[" * 5000]
    assert raw.stream(shared, "console", {"files": {"output.log": {"offset": 0, "content": lines}}}) == 200
    query = (
        '{ project(name: "faults", entityName: "lab") { run(name: "console") { logLines(first: 10) { edges { node { line level } } } } } }'
    )
    status, answer = raw.graphql(shared, query)
    assert (status, [edge["node"]["line"] for edge in answer["data"]["project"]["run"]["logLines"]["edges"]]) == (200, lines)


@pytest.mark.slow
def test_graphql_that_makes_no_sense_is_refused(shared: Tracker) -> None:
    in_run = '{ project(name: "faults", entityName: "lab") { run(name: "sense") { %s } } }'
    raw.make_run(shared, "sense")
    queries: list[tuple[str, dict[str, Any]]] = [
        ("{" + "a{" * 9000, {}),
        ("query($a: " + "[" * 5000 + "Int" + "]" * 5000 + ") { viewer { id } }", {}),
        ("query($n: String) { project(name: $n) { id } }", {"n": "\ud800"}),
        ("query($n: ID!) { artifact(id: $n) { id } }", {"n": "QXJ0aWZhY3Q6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"}),
        ("query($n: ID!) { artifact(id: $n) { id } }", {"n": "é"}),
        ("query($n: String)" + in_run % "files(pattern: $n) { edges { node { id } } }", {"n": "%" * 60_000}),
        ("query($n: [JSONString!]!)" + in_run % "sampledHistory(specs: $n)", {"n": ["[" * 100_000]}),
        ("query($n: [JSONString!]!)" + in_run % "sampledHistory(specs: $n)", {"n": [f'{{"keys": ["a"], "minStep": {LONG}}}']}),
        ("query($n: String)" + in_run % "logLines(after: $n) { pageInfo { hasNextPage } }", {"n": "9" * 23}),
        *(
            (raw.UPSERT, {"input": {"entityName": "lab", "modelName": "faults", "name": "sense", "config": text}})
            for text in ("{", "[]", LONG)
        ),
        (raw.UPSERT, {"input": {"entityName": "lab", "modelName": "faults", "name": "sense", "summaryMetrics": "5"}}),
        (raw.UPSERT, {"input": {"id": "UnVuOjk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"}}),
    ]
    filters = [
        "{",
        "1",
        '{"a": 1}',
        f'{{"config.a": {LONG}}}',
        '{"$and": ' * 900,
        '{"$and": [' * 300 + "{}" + "]}" * 300,
        '{"config.a": {"$foo": 1}}',
    ]
    count = 'query($f: JSONString) { project(name: "faults", entityName: "lab") { runCount(filters: $f) } }'
    answers = {text[:60]: raw.graphql(shared, text, **variables)[0] for text, variables in queries}
    answers |= {text[:60]: raw.graphql(shared, count, f=text)[0] for text in filters}
    assert {*answers.values()} == {400}, answers
    many = json.dumps({"keys": [f"k{number}" for number in range(3000)]})
    assert raw.graphql(shared, "query($n: [JSONString!]!)" + in_run % "sampledHistory(specs: $n)", n=[many])[0] == 200
    assert raw.graphql(shared, "query($n: [String!])" + in_run % "files(names: $n) { edges { node { id } } }", n=["x"] * 300_000)[0] == 200
    assert raw.make_run(shared, "odd", config='{"_wandb": {"value": 5}}')[0] == 200
    resume = '{ project(name: "faults", entityName: "lab") { run(name: "odd") { wandbConfig(keys: ["t"]) } } }'
    assert raw.graphql(shared, resume)[1]["data"]["project"]["run"]["wandbConfig"] == "{}"


@pytest.mark.slow
def test_names_lead_nowhere(shared: Tracker) -> None:
    around = sorted(path for path in shared.folder.parent.rglob("*") if path.parent != shared.folder / "files")
    odd = ["..", "../../../evil", "/etc/passwd", "a\0b", "%2e%2e%2fevil", "C:\\evil", "é" * 500]
    for name in odd:
        if name == ".." or "%" in name:  # a client can't address it
            assert raw.make_run(shared, name)[0] == 400
            continue
        assert raw.make_run(shared, name)[0] == 200
        assert raw.stream(shared, name, {}) == (404 if "/" in name else 200), name
        for file in odd:
            assert raw.request(shared, "PUT", raw.upload_path(shared, name, file), file.encode())[0] == 200
        assert raw.files(shared, name) == {file: file.encode() for file in odd}
    for name in ("", "x" * 513, "\ud800"):
        assert raw.make_run(shared, name)[0] == 400
    for file in ("", "x" * 4097, "\ud800"):
        assert raw.graphql(shared, raw.LINKS, run="a\0b", files=[file])[0] == 400
    paths = [
        *(
            f"/storage/{token}"
            for token in ("..%2f..%2fapi_key", "../api_key", "%2e%2e/api_key", "a" * 100_000, "%00", "a.b", "%ff", "%zz")
        ),
        *(f"/files/lab/faults/{run}/file_stream" for run in ("../..", "%00", "x" * 100_000, "%zz", "%ff", "%", "%ed%a0%80", "r%2f..%2fr")),
        *("//", "/../../etc/passwd", "/%2e%2e/api_key", "/static/../../api_key", "/static/%2e%2e/%2e%2e/api_key", "/static/%00"),
    ]
    for path in paths:
        for method in ("GET", "PUT", "POST"):
            status = raw.talk(shared, raw.head(shared, method, path, "Content-Length: 2") + b"{}")
            assert 300 <= status < 500, (status, method, path[:80])
    assert around == sorted(path for path in shared.folder.parent.rglob("*") if path.parent != shared.folder / "files")


def test_calls_that_are_no_http_are_refused(shared: Tracker) -> None:
    post = "POST", "/graphql"
    for text in (
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        raw.head(shared, *post, "Content-Length: -1"),
        raw.head(shared, *post, "Content-Length: abc"),
        raw.head(shared, *post, "Content-Length: 2", "Content-Length: 3") + b"{}",
        raw.head(shared, *post, "Transfer-Encoding: chunked") + b"zz\r\n",
        raw.head(shared, "POST", b"/files/lab/faults/\xff/file_stream", "Content-Length: 2") + b"{}",
        b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic \xff\xff\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \xe9\r\nContent-Length: 2\r\n\r\n{}",
        b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ):
        assert 400 <= raw.talk(shared, text) < 500 or text.startswith(b"\x16"), text
    assert raw.request(shared, "GET", "/healthz")[0] == 200


def test_a_client_is_told_that_its_telemetry_is_not_taken(shared: Tracker) -> None:
    """By 404, with a key or without: any other answer has it try every minute, and say each time that it failed."""
    for what in ("metrics", "logs"):
        assert raw.request(shared, "POST", f"/sdk/otel/v1/{what}", b"")[0] == 404
        assert raw.talk(shared, f"POST /sdk/otel/v1/{what} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode()) == 404


def test_an_upload_is_whole_or_nothing(shared: Tracker) -> None:
    raw.make_run(shared, "upload")
    folder = shared.folder / "files"
    path = raw.upload_path(shared, "upload", "a.bin")
    assert raw.request(shared, "PUT", path, b"first")[0] == 200
    before = sorted(folder.iterdir())
    for text in (
        raw.head(shared, "PUT", path, "Content-Length: 1000") + b"short",
        raw.head(shared, "PUT", path, "Content-Length: 100000000") + bytes(200_000),
        raw.head(shared, "PUT", path, "Transfer-Encoding: chunked") + b"5\r\nshort\r\n",
        raw.head(shared, "PUT", path, "Transfer-Encoding: chunked") + b"5\r\nshort\r\nzz",
    ):
        for then in ("end", "gone"):
            assert raw.talk(shared, text, then=then) in (0, 400)
    assert raw.talk(shared, raw.head(shared, "PUT", path, f"Content-Length: {6 << 30}") + b"x") == 413
    wait_for(lambda: sorted(folder.iterdir()) == before, "what was cut off to be removed", 5)
    assert raw.files(shared, "upload") == {"a.bin": b"first"}
    # More than announced: what was announced is the file, the rest is no call.
    assert raw.talk(shared, raw.head(shared, "PUT", path, "Content-Length: 6") + b"second, and more") == 200
    assert raw.files(shared, "upload") == {"a.bin": b"second"}
    for method, link in (("PUT", path[:-1]), ("PUT", path + "x"), ("GET", path)):
        assert raw.request(shared, method, link, b"forged")[0] == 403
    assert raw.files(shared, "upload") == {"a.bin": b"second"}
    # The rows of a call that is cut off are not stored either.
    rows = json.dumps(raw.history('{"_step": 0}')).encode()
    call = raw.head(shared, "POST", "/files/lab/faults/upload/file_stream", f"Content-Length: {len(rows)}") + rows
    for end in (len(call) - 1, len(call) - len(rows) // 2, len(call) - len(rows), 30):
        assert raw.talk(shared, call[:end], then="end") in (0, 400)
    assert raw.look(shared, "upload")["history"] == []
    assert raw.talk(shared, call) == 200


def test_a_link_to_something_removed_leads_nowhere(shared: Tracker) -> None:
    made = raw.make_run(shared, "removed")[1]["data"]["upsertBucket"]["bucket"]["id"]
    path = raw.upload_path(shared, "removed", "a.txt")
    assert raw.graphql(shared, "mutation($id: ID!) { deleteRun(input: {id: $id}) { clientMutationId } }", id=made)[0] == 200
    assert raw.make_run(shared, "next")[1]["data"]["upsertBucket"]["bucket"]["id"] != made
    assert raw.request(shared, "PUT", raw.upload_path(shared, "next", "b.txt"), b"of the next run")[0] == 200
    assert raw.request(shared, "PUT", path, b"of the removed run")[0] == 404
    assert raw.files(shared, "next") == {"b.txt": b"of the next run"}


def test_a_file_of_an_artifact_has_its_digest(shared: Tracker) -> None:
    create = """mutation { createArtifact(input: {entityName: "lab", projectName: "faults", artifactTypeName: "data", digest: "d",
        artifactCollectionName: "set"}) { artifact { id state } } }"""
    artifact = raw.graphql(shared, create)[1]["data"]["createArtifact"]["artifact"]["id"]
    announce = """mutation($a: ID!, $m: String!) { createArtifactFiles(input: {artifactFiles: [{artifactID: $a, name: "x", md5: $m}]}) {
        files { edges { node { uploadUrl } } } } }"""
    right = "XUFAKrxLKna5cZ2REBfFkg=="  # of b"hello"
    answer = raw.graphql(shared, announce, a=artifact, m=right)[1]
    path = raw.path_of(answer["data"]["createArtifactFiles"]["files"]["edges"][0]["node"]["uploadUrl"])
    manifest = """mutation($a: ID!) { createArtifactManifest(input: {artifactID: $a, name: "m", digest: "d", type: FULL, entityName: "lab",
        projectName: "faults", runName: "set"}) { artifactManifest { file { uploadUrl } } } }"""
    answer = raw.graphql(shared, manifest, a=artifact)[1]
    assert "errors" not in answer, answer
    listed = raw.path_of(answer["data"]["createArtifactManifest"]["artifactManifest"]["file"]["uploadUrl"])
    commit = "mutation($a: ID!) { commitArtifact(input: {artifactID: $a}) { artifact { state } } }"
    assert raw.request(shared, "PUT", path, b"hullo")[0] == 400
    good = json.dumps({"version": 1, "contents": {"x": {"digest": right, "size": 5}}}).encode()
    for text in (b"", b"{", b"[]", b'{"contents": 5}', b'{"contents": {"x": 5}}', b'{"contents": {"x": {"size": "5"}}}', b"[" * 100_000):
        assert raw.request(shared, "PUT", listed, text)[0] == 200
        assert raw.graphql(shared, commit, a=artifact)[0] == 400, text
    assert raw.request(shared, "PUT", listed, good)[0] == 200
    assert raw.graphql(shared, commit, a=artifact)[0] == 400  # the file is still missing
    assert raw.request(shared, "PUT", path, b"hello")[0] == 200
    assert raw.graphql(shared, commit, a=artifact)[1] == {"data": {"commitArtifact": {"artifact": {"state": "COMMITTED"}}}}


@pytest.mark.slow
def test_what_a_killed_server_was_receiving_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "files"
    with running(tmp_path / "data") as tracker:
        raw.make_run(tracker, "r")
        path = raw.upload_path(tracker, "r", "a.bin")
        assert raw.request(tracker, "PUT", path, b"whole")[0] == 200
        (whole,) = folder.iterdir()
        with raw.half_sent(tracker, raw.head(tracker, "PUT", path, "Content-Length: 1000000") + bytes(500_000)):
            wait_for(lambda: len([*folder.iterdir()]) == 2, "the upload to begin", 5)
            tracker.process.kill()
            tracker.process.wait()
    assert len([*folder.iterdir()]) == 2
    with running(tmp_path / "data") as tracker:
        assert [*folder.iterdir()] == [whole]
        assert raw.files(tracker, "r") == {"a.bin": b"whole"}


@pytest.mark.slow
def test_a_body_that_is_too_large_is_refused(shared: Tracker) -> None:
    body = b'{"files": {}, "x": "' + b"x" * (65 << 20) + b'"}'
    raw.make_run(shared, "large")
    assert raw.stream(shared, "large", body) == 413
    assert raw.request(shared, "POST", "/graphql", body)[0] == 413
    assert raw.request(shared, "GET", "/healthz")[0] == 200


# much


@pytest.mark.slow
def test_ten_thousand_runs(place: Path) -> None:
    count, at_once = 10_000, 100
    names = [f"run-{number:05}" for number in range(count)]
    fields = " ".join(f"r{place}: upsertBucket(input: $i{place}) {{ inserted }}" for place in range(at_once))
    text = f"mutation({', '.join(f'$i{place}: UpsertBucketInput!' for place in range(at_once))}) {{ {fields} }}"
    ways = [
        {"per_page": 1000},
        {"per_page": 300, "order": "-config.seed"},
        {"per_page": 200, "filters": {"config.seed": {"$lt": 5000}, "tags": "even"}, "order": "+config.seed"},
        {
            "per_page": 100,
            "filters": {"$or": [{"summary_metrics.loss": {"$gte": 0.999}}, {"display_name": {"$regex": "00$"}}]},
            "order": "name",
        },
        {"per_page": 50, "filters": {"state": "finished"}},
    ]
    seeds = [number * 7919 % count for number in range(count)]
    memory_disk = "/dev/shm" if Path("/dev/shm").is_dir() else None  # how quickly a disk syncs is not what this is about
    with tempfile.TemporaryDirectory(dir=memory_disk) as folder, running(Path(folder)) as tracker:
        begin = time.monotonic()
        for first in range(0, count, at_once):
            inputs = {}
            for number in range(first, first + at_once):
                inputs[f"i{number - first}"] = {
                    "entityName": "lab",
                    "modelName": "faults",
                    "name": names[number],
                    "displayName": f"trial {number}",
                    "config": json.dumps({"seed": {"value": seeds[number]}, "model": {"value": {"layers": [1, 2, 3], "name": "net" * 20}}}),
                    "summaryMetrics": json.dumps({"loss": number / count, "n": number}),
                    "tags": ["even" if number % 2 == 0 else "odd"],
                }
            assert raw.graphql(tracker, text, **inputs)[0] == 200
        made = time.monotonic() - begin
        command = [sys.executable, str(HERE / "list_runs.py"), "lab/faults", json.dumps(ways)]
        done = subprocess.run(
            command, env={**os.environ, **tracker.environment(place)}, cwd=place, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr
        answers = json.loads(done.stdout)
        memory = raw.peak_memory(tracker)
    print(f"made in {made:.1f} s; listed in {[round(answer['seconds'], 1) for answer in answers]} s; at most {memory:.0f} MiB")
    numbers = range(count)
    by_seed = sorted(numbers, key=seeds.__getitem__)
    wanted = [
        [*numbers],
        by_seed[::-1],
        [number for number in by_seed if seeds[number] < 5000 and number % 2 == 0],
        [number for number in numbers if number / count >= 0.999 or (number % 100 == 0 and number)],
        [],
    ]
    for answer, expected in zip(answers, wanted, strict=True):
        assert answer["ids"] == [names[number] for number in expected]
        assert answer["length"] == len(expected)
    assert memory <= MOST_MEMORY


@pytest.mark.slow
def test_a_summary_of_ten_megabytes(tmp_path: Path, place: Path) -> None:
    summary = {f"metric/{number}": {"mean": number / 7, "text": "é" * 20} for number in range(110_000)}
    text = json.dumps(summary, ensure_ascii=False)
    assert len(text.encode()) > 10e6
    script = (
        "import json, sys, wandb; print(json.dumps(dict(wandb.Api(timeout=60).run('lab/faults/r').summary._json_dict), ensure_ascii=False))"
    )
    with running(tmp_path / "data") as tracker:
        raw.make_run(tracker, "r")
        body = {"files": {"wandb-summary.json": {"offset": 0, "content": [text]}}}
        for _ in range(3):
            assert raw.stream(tracker, "r", json.dumps(body, ensure_ascii=False).encode()) == 200
        assert raw.look(tracker, "r")["summaryMetrics"] == text
        environment = {**os.environ, **tracker.environment(place), "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, cwd=place, capture_output=True, encoding="utf-8", timeout=120, check=False
        )
        assert json.loads(done.stdout) == summary, done.stderr
        memory = raw.peak_memory(tracker)
    print(f"at most {memory:.0f} MiB")
    assert memory <= MOST_MEMORY
