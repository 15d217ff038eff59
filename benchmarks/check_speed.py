"""How fast is `gonogo check`, and how much memory does it take?

    uv run python benchmarks/check_speed.py

Prints the wall time of the command line on one experiment (the median of some cold starts: a new process each time) and, for many
experiments in one call, how many it judges a second and the most memory that all its processes held together. The experiments are
variations of the golden one in `tests/golden`: no two share a file's text, some have more runs, most have a fault.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
GOLDEN, PLAN = ROOT / "tests/golden", ROOT / "tests/golden.plan.yaml"
GONOGO = str(Path(sys.executable).with_name("gonogo"))
# What differs from the golden experiment, in turn: a file, a text in it, and what stands there instead.
FAULTS = [
    ("src/train.py", "cfg.run.", "cfg."),
    ("src/main.py", "import ", "import no_such_module\nimport "),
    ("config/config.yaml", "trial_mode:", "trial_mod:"),
    ("pyproject.toml", "dependencies", "dependency"),
    ("src/model.py", "def ", "def placeholder(self):\n    pass\n\n\ndef "),
    ("src/train.py", "optuna", "optuno"),
    None,
]


def make(folder: Path, number: int) -> None:
    """Write one experiment: a copy of the golden one with its own texts, now and then with more runs, and with the next fault."""
    shutil.copytree(GOLDEN, folder, ignore=shutil.ignore_patterns("__pycache__", ".cache", "outputs", "results", "wandb", "uv.lock"))
    if number % 3 == 0:
        for config in sorted((folder / "config/run").iterdir()):
            text = config.read_text().replace(config.stem, f"{config.stem}-more")
            config.with_stem(f"{config.stem}-more").write_text(text)
    else:
        shutil.copy(PLAN, folder / "plan.yaml")
    fault = FAULTS[number % len(FAULTS)]
    if fault is not None:
        path, old, new = fault
        text = (folder / path).read_text()
        (folder / path).write_text(text.replace(old, new, 1))
    for file in [*folder.rglob("*.py"), *folder.rglob("*.toml"), *(folder / "config").rglob("*.yaml")]:
        file.write_text(f"{file.read_text()}\n# variation {number}\n")


def cold(experiment: Path, times: int) -> list[float]:
    """Wall times of single calls."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run([GONOGO, "check", str(experiment)], stdout=subprocess.DEVNULL, check=False)
        seconds.append(time.perf_counter() - started)
    return seconds


def memory(process: psutil.Process) -> int:
    """Bytes that a process and all below it hold. Pages they share count for each of them, so it is rather too much than too little."""
    total = 0
    try:
        members = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in members:
        try:
            total += member.memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue  # it ended between being listed and being asked
    return total


def many(experiments: list[Path], jobs: int) -> tuple[float, int, int]:
    """Seconds, peak memory and how many GO, for one call with all experiments."""
    started = time.perf_counter()
    command = [GONOGO, "check", *map(str, experiments), "--jobs", str(jobs), "--format", "jsonl"]
    peak = 0
    with tempfile.TemporaryFile() as output:
        process = psutil.Popen(command, stdout=output)
        while process.poll() is None:
            peak = max(peak, memory(process))
            time.sleep(0.1)
        seconds = time.perf_counter() - started
        output.seek(0)
        ready = sum(b'"is_code_ready": true' in line for line in output)
    return seconds, peak, ready


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--experiments", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cold", type=int, default=7, help="how many cold starts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        experiments = [Path(folder) / f"experiment-{number:03}" for number in range(options.experiments)]
        for number, experiment in enumerate(experiments):
            make(experiment, number)
        times = cold(experiments[0], options.cold)
        print(f"one experiment, cold: {statistics.median(times):.2f} s (median of {len(times)}; {min(times):.2f} to {max(times):.2f})")
        seconds, peak, ready = many(experiments, options.jobs)
        rate = len(experiments) / seconds
        print(f"{len(experiments)} experiments, {options.jobs} jobs: {seconds:.1f} s, {rate:.1f} a second ({ready} of them GO)")
        print(f"peak memory of all processes: {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
