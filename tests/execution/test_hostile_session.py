"""Whole sessions of hostile experiments: what they do to the evidence, to each other, to the tracker and to gonogo itself."""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from mechanisms import containment_of

from gonogo.execution import evidence, results
from gonogo.execution import session as sessions
from gonogo.execution.interpreter_folders import locate
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.execution.sandbox import Box, Limits, Mechanism, Policy
from gonogo.execution.session_plan import Bounds, Session
from gonogo.execution.tracker_box import TrackerBox
from gonogo.model import contract as contracts
from gonogo.model import experiment as experiments
from gonogo.model.options import ExecutionOptions
from gonogo.model.runs import collect_runs

CANARY = "canary-of-the-caller"
CONTRACT = contracts.load("trial-mode")
HELPER = "import json, os, subprocess, sys, time, urllib.request\nfrom pathlib import Path\nRUN = sys.argv[1].partition('=')[2]\n"
Run = Callable[..., SessionSeen]


@pytest.fixture
def run(mechanism: Mechanism, tmp_path: Path) -> Run:
    """Runs an experiment of two runs, `a` and then `b`, whose main program is given."""

    def carry_out(main: str, *, tracker: bool = False, files: dict[str, str] | None = None, **options: object) -> SessionSeen:
        tree = tmp_path / "tree"
        texts = {
            "src/main.py": HELPER + main,
            "src/evaluate.py": "print('honest evaluation')\n",
            "config/config.yaml": "a: 1\n",
            "config/run/a.yaml": "run_id: a\n",
            "config/run/b.yaml": "run_id: b\n",
            "pyproject.toml": "[project]\nname = 'x'\nversion = '1'\n",
            **(files or {}),
        }
        for path, text in texts.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        experiment = experiments.load(str(tree))
        name = "rehearsal" if tracker else "trial"
        stage = Session(name, CONTRACT.commands["full" if tracker else "trial"], Bounds(), tracker=tracker)
        chosen = ExecutionOptions(**{"sandbox": str(mechanism), "run_timeout": 30, "jobs": 1, **options})  # type: ignore[arg-type]
        return sessions.carry_out(stage, experiment, collect_runs(experiment, CONTRACT), CONTRACT, locate(Path(sys.executable)), chosen)

    return carry_out


def gap(run: RunSeen) -> str:
    return evidence.gap(run, ["src/main.py", "src/train.py", "src/evaluate.py", "tool.py"])


def said(run: RunSeen) -> str:
    return "\n".join(text for _, text in run.output)


@pytest.mark.slow
def test_an_honest_run_is_seen_to_its_end(run: Run) -> None:
    main = (
        "subprocess.run([sys.executable, '-m', 'src.train'], check=True)\n"
        "from multiprocessing import get_context\n"
        "for way in ('fork', 'spawn', 'forkserver'):\n    get_context(way).Process(target=abs, args=(1,)).start()\n"
        "helper = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\nhelper.kill()\n"
        "print('end of', RUN)\n"
    )
    seen = run(main, files={"src/train.py": "print('trained')\n"})
    assert [run.ok and not gap(run) for run in seen.runs.values()] == [True, True], [said(run) for run in seen.runs.values()]
    assert (seen.doubts, seen.problem, seen.forged) == ([], "", 0)
    assert len({run.pid for run in seen.runs.values()}) == 2  # whoever names files by process number has two names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("main", "reason"),
    [
        ("os._exit(0)\n", "-m src.main ended without a word"),
        ("os.execv('/bin/true', ['true'])\n", "-m src.main ended without a word"),
        ("os.execv(sys.executable, [sys.executable, '-I', '-c', ''])\n", "-m src.main ended without a word"),
        ("if os.fork():\n    os._exit(0)\ntime.sleep(60)\n", "-m src.main ended without a word"),
        ("import ctypes\nctypes.CDLL(None)._exit(0)\n", "-m src.main ended without a word"),
        ("subprocess.run([sys.executable, '-m', 'src.train'], check=True)\n", "-m src.train ended without a word"),
        ("subprocess.run([sys.executable, 'src/train.py'])\n", "src/train.py ended without a word"),
        ("subprocess.run([sys.executable, '-W', 'ignore', os.path.abspath('src/train.py')])\n", "src/train.py ended without a word"),
        (
            "from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor().submit(os._exit, 0).result()\n",
            "-m src.main ended without a word",
        ),
    ],
)
def test_exit_code_0_alone_is_no_evidence(run: Run, main: str, reason: str) -> None:
    seen = run(main, files={"src/train.py": "import os\nos._exit(0)\n"})
    for each in seen.runs.values():
        assert each.ok, said(each)
        assert reason in gap(each)


@pytest.mark.slow
@pytest.mark.parametrize(
    "start",
    [
        "os.execv(sys.executable, [sys.executable, '-m', 'src.train'])",
        "os.execvp('python', ['python', '-m', 'src.train'])",
        "os.execve(sys.executable, [sys.executable, '-m', 'src.train'], {'HOME': '/tmp'})",
        "os.execlp(sys.executable, 'python', '-m', 'src.train')",
        "os.system(f'{sys.executable} -m src.train')",
        "os.popen(f'{sys.executable} -m src.train').read()",
        "os.spawnv(os.P_WAIT, sys.executable, [sys.executable, '-m', 'src.train'])",
        "os.waitpid(os.posix_spawn(sys.executable, [sys.executable, '-m', 'src.train'], os.environ), 0)",
        "subprocess.run([sys.executable, '-m', 'src.train'], env={})",
        "subprocess.check_output(f'{sys.executable} -m src.train', shell=True)",
    ],
)
def test_a_program_is_watched_however_it_is_started(run: Run, start: str) -> None:
    """Also in the place of another: the process is the same, and the Python in it says that it ended."""
    seen = run(start + "\n", files={"src/train.py": "print('trained')\n"})
    for each in seen.runs.values():
        assert (each.ok, gap(each)) == (True, ""), said(each)
        assert any("src.train" in process.argv for process in each.processes.values() if process.ended is not None)
    assert seen.forged == 0


@pytest.mark.slow
def test_a_run_can_t_change_what_the_next_one_is_of(run: Run) -> None:
    main = """
tried = 0
for place, text in (("src/evaluate.py", "print('evil')"), ("src/main.py", "print('evil')"), (os.environ["GONOGO_PROBE"], "{}"),
                    ("config/run/b.yaml", "run_id: evil"), (os.environ["PYTHONPATH"] + "/sitecustomize.py", "")):
    for way in (lambda: Path(place).write_text(text), lambda: os.remove(place), lambda: os.rename(os.path.dirname(place), "elsewhere")):
        try:
            way()
            print("could change", place)
        except OSError:
            tried += 1
print("tried", tried)
"""
    seen = run(main, tracker=True)
    assert [said(each) for each in seen.runs.values()] == ["tried 15", "tried 15"]
    assert seen.evaluation is not None and said(seen.evaluation) == "honest evaluation"
    assert (seen.doubts, seen.problem) == ([], "")


@pytest.mark.slow
def test_code_that_a_run_puts_in_the_way_of_others_is_a_doubt(run: Run) -> None:
    seen = run("Path('statistics.py').write_text('')\nPath('src/main').mkdir(exist_ok=True)\nPath('src/main/__init__.py').write_text('')\n")
    assert any("statistics.py was added during a" in doubt for doubt in seen.doubts)
    assert any("src/main/, a package, was added during a" in doubt for doubt in seen.doubts)


@pytest.mark.slow
def test_modules_in_the_home_of_the_runs_are_not_loaded_by_later_runs(run: Run) -> None:
    main = """
import site
place = Path(site.getusersitepackages())
place.mkdir(parents=True, exist_ok=True)
(place / "usercustomize.py").write_text("print('evil')")
(place / "evil.pth").write_text("import sys; print('evil')\\n")
"""
    seen = run(main)
    assert [said(each) for each in seen.runs.values()] == ["", ""]


@pytest.mark.slow
def test_a_process_that_stays_behind_ends_with_its_run(run: Run) -> None:
    main = """
if RUN == "a":
    if not os.fork():
        os.setsid()
        while True:
            Path("results").mkdir(exist_ok=True)
            Path("results/beat").write_text(str(time.time()))
            time.sleep(0.01)
    while not Path("results/beat").exists():
        time.sleep(0.01)
else:
    before = Path("results/beat").read_text()
    time.sleep(0.5)
    print("beats" if Path("results/beat").read_text() != before else "silent", [n for n in os.listdir("/proc") if n.isdigit()])
"""
    seen = run(main)
    assert said(seen.runs["b"]).startswith("silent") and len(said(seen.runs["b"]).split("'")) <= 5


@pytest.mark.slow
def test_folders_that_become_links_lead_gonogo_nowhere(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "metrics.json").write_text(json.dumps({"key": CANARY}))
    main = f"""
secret = {str(secret)!r}
for place in ("/tmp/gonogo", os.environ["TMPDIR"] + "/gonogo", "results", os.path.dirname(os.environ["GONOGO_PROBE"]), os.environ["HOME"] + "/x"):
    for act in (lambda: os.rename(place, place + ".old"), lambda: os.symlink(secret, place)):
        try:
            act()
        except OSError:
            pass
print(os.readlink("results"))
"""
    seen = run(main, tracker=True)
    assert said(seen.runs["a"]) == str(secret)
    assert (seen.results, list(seen.texts)) == ({}, [])
    assert seen.tracked == [] and seen.problem == ""
    assert CANARY not in repr(seen)


class TestTree:
    """Links, pipes, sockets and devices in the experiment's own folder."""

    @pytest.mark.slow
    def test_a_cache_that_is_a_link_is_not_copied(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret" / "token").write_text(CANARY)
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / ".cache").symlink_to(tmp_path / "secret")
        seen = run("print(list(Path('.cache').rglob('*')) if Path('.cache').exists() else 'nothing')\n")
        assert said(seen.runs["a"]) == "nothing"
        assert any(doubt == ".cache was not given to the runs (no folder but a symbolic link)" for doubt in seen.doubts)

    @pytest.mark.slow
    @pytest.mark.parametrize("below", ["", ".cache/", "data/deep/"])
    def test_what_is_no_file_is_said_and_not_opened(self, run: Run, tmp_path: Path, below: str) -> None:
        folder = tmp_path / "tree" / below
        folder.mkdir(parents=True)
        (tmp_path / "secret").write_text(CANARY)
        os.mkfifo(folder / "pipe.py")
        (folder / "away").symlink_to(tmp_path / "secret")
        (folder / "upwards").symlink_to(os.path.relpath(tmp_path / "secret", folder))
        (folder / "kept.txt").write_text("kept")
        (folder / "inside").symlink_to("kept.txt")
        kinds = {"pipe.py": "a named pipe", "socket": "a socket"}
        here = os.getcwd()
        os.chdir(folder)  # a socket's path is short
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind("socket")
        finally:
            os.chdir(here)
        if os.geteuid() == 0:
            os.mknod(folder / "device", 0o600 | 0o020000, os.makedev(1, 5))
            kinds["device"] = "a device"
        seen = run(f"print(Path('{below}inside').read_text(), sorted(os.listdir('{below or '.'}')), Path('{below}away').exists())\n")
        assert said(seen.runs["a"]).startswith("kept [") and said(seen.runs["a"]).endswith("False")
        for name, kind in kinds.items():
            assert f"{below}{name} was not given to the runs ({kind})" in seen.doubts
            assert f"'{name}'" not in said(seen.runs["a"])
        assert sum("a link to" in doubt for doubt in seen.doubts) == 2
        assert CANARY not in repr(seen)

    @pytest.mark.slow
    def test_a_link_to_data_that_are_shown_is_none_of_these(self, run: Run, tmp_path: Path) -> None:
        data = tmp_path / "data"
        data.mkdir()
        (data / "x").write_text("data")
        (tmp_path / "tree").mkdir()
        (tmp_path / "tree" / "data").symlink_to(data)
        seen = run("print(Path('data/x').read_text())\n", data_roots=(str(data),))
        assert (said(seen.runs["a"]), seen.doubts) == ("data", [])


class TestTracker:
    @pytest.mark.slow
    def test_packages_of_the_experiment_are_not_taken_for_the_trackers(self, run: Run) -> None:
        bomb = "raise SystemExit('the experiment ran as the tracker')\n"
        names = ("starlette", "uvicorn", "httptools", "gonogo", "sqlite3", "json", "asyncio", "graphql")
        main = "print(urllib.request.urlopen(os.environ['WANDB_BASE_URL'] + '/healthz').read().decode())\n"
        main = f"sys.path.remove(os.getcwd())\n{main}"
        seen = run("sys.path = [p for p in sys.path if p not in ('', os.getcwd())]\n" + main.replace("sys.path.remove(os.getcwd())\n", ""), tracker=True,
                   files={f"{name}/__init__.py": bomb for name in names if name not in ("json", "sqlite3", "asyncio")})  # fmt: skip
        assert [said(each) for each in seen.runs.values()] == ['{"ok":true}'] * 2
        assert (seen.tracked, seen.problem) == ([], "")

    @pytest.mark.slow
    def test_a_run_can_t_reach_it_but_by_its_socket(self, run: Run) -> None:
        main = """
found = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in (1, os.getpid())]
places = [str(path) for root in ("/tmp", os.environ["HOME"], os.path.dirname(os.getcwd())) for path in Path(root).rglob("tracker.sqlite3")]
print(found, places)
"""
        seen = run(main, tracker=True)
        assert said(seen.runs["a"]) == "[] []"

    @pytest.mark.slow
    def test_one_that_ends_before_the_runs_is_no_tracker(self, mechanism: Mechanism) -> None:
        with TrackerBox(containment_of(mechanism), Limits(seconds=60), sessions.HOME) as tracker:
            inside = [each for each in psutil.Process().children(recursive=True) if "tracker_inside" in " ".join(each.cmdline())]
            assert inside
            inside[-1].kill()
            deadline = time.monotonic() + 10
            while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in inside) and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.3)
            told, problem = tracker.end()
        assert told == [] and "the tracker" in problem

    @pytest.mark.slow
    def test_one_that_says_nonsense_is_no_tracker(self, mechanism: Mechanism, monkeypatch: pytest.MonkeyPatch) -> None:
        program = "import socket, sys; s = socket.socket(fileno=int(sys.argv[1])); s.sendall(b'key\\n'); s.recv(1); s.sendall({said})"
        for text in ("b'{}'", "b'[' * 100000", "b'x' * (40 << 20)", "b''"):
            command = [str(locate(Path(sys.executable)).python), "-I", "-c", program.format(said=text)]
            monkeypatch.setattr("gonogo.execution.tracker_box.command", lambda _, *arguments, command=command: [*command, *arguments])
            with TrackerBox(containment_of(mechanism), Limits(seconds=60), sessions.HOME) as tracker:
                told, problem = tracker.end()
            assert told == [] and "the tracker" in problem, text


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", [Mechanism.BUBBLEWRAP, Mechanism.LANDLOCK], ids=str)
def test_many_large_results_do_not_fill_the_memory(mechanism: Mechanism) -> None:
    code = "import os; os.mkdir('results')\nfor n in range(250): open(f'results/{n}.json', 'w').write('[' + '1,' * 2_000_000 + '1]')"
    python = locate(Path(sys.executable))
    with Box(Policy(read_only=python.folders, limits=Limits(seconds=60)), containment_of(mechanism)) as box:
        assert box.run([python.python, "-c", code]).ok
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sizes, texts, too_much = results.collect(box, "results")
        total = sum(len(texts[path]) for path in texts)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert len(sizes) == 250 and "more than" in too_much
    assert 200_000_000 < total <= results.MOST_TEXTS
    assert grown < 60_000_000, f"{grown / 1e6:.0f} MB"


def test_results_are_read_when_asked_for_and_removed_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    texts = results.Texts(tmp_path, ["a.json"])
    assert dict(texts) == {"a.json": "{}"} and len(texts) == 1
    with pytest.raises(KeyError):
        texts["../secret"]
    del texts
    assert not tmp_path.exists()
