"""How fast is the tracker, and is what comes out of it what went in?

    uv run python benchmarks/tracker_speed.py
    uv run python benchmarks/tracker_speed.py --many 300 --rows 10000

Starts a tracker with an empty folder and prints: the time to its first reply; rows a second that it takes in and serves, asked directly
in the shapes that the client uses; the same with the real wandb client at both ends, every value compared bit by bit; runs that log at
the same time; and the most memory that it held. Rows have 20 keys with random doubles.

With `--many`, so many runs with so many rows are read through `Api().runs` with keys, in the ways that the client has for that; printed are
the seconds and the most memory that server and client held. One of the keys is in every tenth row.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from gonogo.tracker import Tracker, running

KEYS = 20
# How many rows the client sends at once when it has many, and asks for at once by default.
CHUNK, PAGE = 10_000, 1000
HISTORY = """query HistoryPage ($n: Int!, $a: Int64!, $b: Int64!) {
  project(name: "p", entityName: "e") { run(name: "direct") { history(minStep: $a, maxStep: $b, samples: $n) } }
}"""
MAKE = 'mutation { upsertBucket(input: {name: "%s", modelName: "%s", entityName: "e"}) { bucket { id } } }'
LOG = """
import os, random, sys, wandb
name, rows, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
source = random.Random(name)
run = wandb.init(entity="e", project="p", id=name, settings=wandb.Settings(x_disable_stats=True, console="off", silent=True))
for step in range(rows):
    run.log({f"metric/{key}": source.uniform(-1, 1) * 10 ** source.randint(-9, 9) for key in range(keys)})
run.finish()
"""
SCAN = """
import random, struct, sys, time, wandb
name, rows, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
source = random.Random(name)
started, wrong, step = time.perf_counter(), 0, -1
for step, row in enumerate(wandb.Api().run(f"e/p/{name}").scan_history(page_size=int(sys.argv[4]))):
    expected = [source.uniform(-1, 1) * 10 ** source.randint(-9, 9) for _ in range(keys)]
    found = [row.get(f"metric/{key}") for key in range(keys)]
    wrong += row["_step"] != step or [struct.pack("d", value) for value in found] != [struct.pack("d", value) for value in expected]
print(step + 1, wrong, time.perf_counter() - started)
"""

MANY_KEYS = 10
# How `Api().runs` is read, in a process of its own each: what is asked, how many rows of each run it must give, and the code.
WAYS = [
    ("histories, one key, 500 samples of each run", 500, "runs.histories(keys=['metric/0'])"),
    ("histories, two keys, one of them rare, 500 samples", 500, "runs.histories(keys=['metric/0', 'rare'])"),
    ("histories, two keys, all rows", None, "runs.histories(keys=['metric/0', 'metric/1'], samples=10**6)"),
    ("scan_history of each run, two keys, all rows", None, "(row for run in runs for row in run.scan_history(keys=['_step', 'metric/0']))"),
]
READ_MANY = """
import random, resource, sys, time, wandb
code, rows, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
source = random.Random(0)
expected = [source.random() for _ in range(rows * keys)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started, count, wrong = time.perf_counter(), 0, 0
runs = wandb.Api(timeout=600).runs("e/many")
for row in eval(code):
    count += 1
    wrong += row["metric/0"] != expected[row["_step"] * keys]
seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
print(len(runs), count, wrong, seconds, used.ru_utime + used.ru_stime, (used.ru_maxrss - before) * 1024)
"""


class Direct:
    """Asks a tracker without a client in between."""

    def __init__(self, tracker: Tracker) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(tracker.url).netloc)
        key = base64.b64encode(f"api:{tracker.api_key}".encode()).decode()
        self._headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}

    def post(self, path: str, body: bytes) -> bytes:
        self._connection.request("POST", path, body, self._headers)
        reply = self._connection.getresponse()
        text = reply.read()
        assert reply.status == 200, text
        return text

    def graphql(self, query: str, **variables: int) -> bytes:
        return self.post("/graphql", json.dumps({"query": query, "variables": variables}).encode())


@contextmanager
def watching(process: psutil.Process) -> Iterator[list[int]]:
    """The memory that a process and those that it started hold, noted again and again."""
    seen, ended = [_held(process)], threading.Event()

    def note() -> None:
        while not ended.wait(0.05):
            seen.append(_held(process))

    watcher = threading.Thread(target=note)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _held(process: psutil.Process) -> int:
    held = 0
    with suppress(psutil.NoSuchProcess):
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                held += each.memory_info().rss
    return held


def direct(tracker: Tracker, rows: int) -> None:
    """Rows a second without a client: what the server itself can do."""
    ask, source = Direct(tracker), random.Random(0)
    ask.graphql(MAKE % ("direct", "p"))
    lines = [json.dumps({"_step": step} | {f"metric/{key}": source.random() for key in range(KEYS)}) for step in range(rows)]
    bodies = [
        json.dumps({"files": {"wandb-history.jsonl": {"offset": begin, "content": lines[begin : begin + CHUNK]}}}).encode()
        for begin in range(0, rows, CHUNK)
    ]
    started = time.perf_counter()
    for body in bodies:
        ask.post("/files/e/p/direct/file_stream", body)
    taken = time.perf_counter() - started
    started = time.perf_counter()
    pages = [ask.graphql(HISTORY, n=PAGE, a=begin, b=begin + PAGE) for begin in range(0, rows, PAGE)]
    served = time.perf_counter() - started
    found = [line for page in pages for line in json.loads(page)["data"]["project"]["run"]["history"]]
    print(f"direct: {rows} rows taken in at {rows / taken:,.0f} rows/s, served at {rows / served:,.0f} rows/s", end="; ")
    print(f"{mismatches(lines, found)} differ")


def mismatches(sent: list[str], found: list[str]) -> int:
    return sum(one != other for one, other in zip(sent, found, strict=False)) + abs(len(sent) - len(found))


def client(tracker: Tracker, folder: Path, rows: int, parallel: int) -> None:
    """The real client at both ends, then many runs at once."""
    environment = {**os.environ, **tracker.environment(folder), "WANDB_SILENT": "true"}

    def python(script: str, *arguments: object) -> str:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout

    started = time.perf_counter()
    python(LOG, "client", rows, KEYS)
    logged = time.perf_counter() - started
    print(f"client: {rows} rows logged in {logged:.1f} s, {rows / logged:,.0f} rows/s, start and finish of the script included")
    for page in (PAGE, 10 * PAGE):
        count, wrong, seconds = python(SCAN, "client", rows, KEYS, page).split()
        print(
            f"client: {count} rows scanned, {page} a page, in {float(seconds):.1f} s, {rows / float(seconds):,.0f} rows/s; {wrong} differ"
        )
    started = time.perf_counter()
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(lambda number: python(LOG, f"parallel-{number}", 1000, KEYS), range(parallel)))
    print(f"{parallel} runs at once, 1,000 rows each: {time.perf_counter() - started:.1f} s")
    for number in range(parallel):
        count, wrong, _ = python(SCAN, f"parallel-{number}", 1000, KEYS, PAGE).split()
        assert (count, wrong) == ("1000", "0"), (number, count, wrong)
    print(f"{parallel} runs scanned back: all rows there, none differs")


def many(tracker: Tracker, folder: Path, runs: int, rows: int) -> None:
    """Some keys of many runs, read by the real client."""
    ask, source = Direct(tracker), random.Random(0)
    lines = []
    for step in range(rows):
        row = {"_step": step} | {f"metric/{key}": source.random() for key in range(MANY_KEYS)}
        lines.append(json.dumps(row | ({"rare": step} if step % 10 == 0 else {})))
    body = json.dumps({"files": {"wandb-history.jsonl": {"offset": 0, "content": lines}}, "complete": True, "exitcode": 0}).encode()
    started = time.perf_counter()
    for number in range(runs):
        ask.graphql(MAKE % (f"run-{number}", "many"))
        ask.post(f"/files/e/many/run-{number}/file_stream", body)
    seconds = time.perf_counter() - started
    print(f"{runs} runs with {rows:,} rows of {MANY_KEYS} keys taken in: {seconds:.0f} s, {runs * rows / seconds:,.0f} rows/s")
    environment = {**os.environ, **tracker.environment(folder), "WANDB_SILENT": "true"}
    server = psutil.Process(tracker.process.pid)
    for title, samples, code in WAYS:
        before = sum(server.cpu_times()[:2])
        with watching(server) as seen:
            command = [sys.executable, "-c", READ_MANY, code, str(rows), str(MANY_KEYS)]
            said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        found, count, wrong = map(int, said[:3])
        assert (found, count, wrong) == (runs, runs * min(rows, samples or rows), 0), said
        print(
            f"{title}: {count:,} rows in {float(said[3]):.1f} s (CPU: client {float(said[4]):.1f} s, "
            f"server {sum(server.cpu_times()[:2]) - before:.1f} s), none differs; the client took {float(said[5]) / 1e6:.0f} MB more, "
            f"the server held {max(seen) / 1e6:.0f} MB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--parallel", type=int, default=20)
    parser.add_argument("--many", type=int, metavar="RUNS", help="read so many runs, and nothing else")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "client").mkdir()
        started = time.perf_counter()
        with running(folder / "tracker") as tracker:
            http.client.HTTPConnection(urlsplit(tracker.url).netloc).request("GET", "/healthz")
            print(f"start to first reply: {time.perf_counter() - started:.2f} s")
            if options.many:
                many(tracker, folder / "client", options.many, options.rows)
                return
            with watching(psutil.Process(tracker.process.pid)) as seen:
                direct(tracker, options.rows)
                client(tracker, folder / "client", options.rows, options.parallel)
            print(f"peak memory of the server: {max(seen) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
