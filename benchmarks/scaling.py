"""How cost grows: of the gate with experiments, of the reference experiment with corruptions, batch, steps and trials.

    uv run --all-packages python -m benchmarks.scaling [--only gate,steps,corruptions,trials] [--output docs/scaling]

Writes one table and one plot for each into the output folder, with the straight line that fits the points best: cost that grows in
proportion lies on it. Quiet machine, please: times are the best of some tries, but whatever else runs still shows.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks import search_workers, tta_speed
from benchmarks.check_speed import GONOGO, make

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = ROOT / "experiments" / "cw_tent"
TRIES = 3


@dataclass
class Curve:
    """Seconds against how much there is to do."""

    name: str
    amounts: list[int]
    seconds: list[float]

    def line(self) -> tuple[float, float]:
        """Seconds at nothing, and seconds for each one more."""
        slope, start = np.polyfit(self.amounts, self.seconds, 1)
        return float(start), float(slope)


@dataclass
class Chart:
    """Some curves, and what they are about."""

    title: str
    what: str
    curves: list[Curve]


def gate() -> Chart:
    """The static gate, over experiments, with one process and two."""
    amounts = [25, 50, 100, 200]
    curves = []
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / f"experiment-{number}" for number in range(max(amounts))]
        for number, folder in enumerate(folders):
            make(folder, number)
        for jobs in (1, 2):
            seconds = []
            for amount in amounts:
                command = [GONOGO, "check", *map(str, folders[:amount]), "--jobs", str(jobs), "--format", "jsonl"]
                started = time.perf_counter()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
                seconds.append(time.perf_counter() - started)
            curves.append(Curve(f"{jobs} process{'es' * (jobs > 1)}", amounts, seconds))
    return Chart("The gate, static stages", "experiments", curves)


def steps() -> Chart:
    """One batch of TENT on a ResNet-18, over inner steps, for batches of several sizes."""
    network = tta_speed.experiment.fast(tta_speed.network(None))
    amounts = [1, 2, 5, 10]
    curves = []
    for size in (16, 64, 200):
        images = torch.randn(size, 3, 32, 32)
        seconds = []
        for amount in amounts:
            adapter = tta_speed.experiment.Adapter(network, tta_speed.settings("tent", amount))
            adapter.predict(images)
            seconds.append(best_of(lambda adapter=adapter, images=images: adapter.predict(images)))
        curves.append(Curve(f"batch of {size}", amounts, seconds))
    return Chart("TENT, one batch, ResNet-18", "inner steps", curves)


def best_of(call: Callable[[], object]) -> float:
    """The shortest time of some calls."""
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def corruptions() -> Chart:
    """A whole run on the digits, over corruptions, for two methods."""
    every = ["gaussian_noise", "frost", "contrast", "pixelate", "shot_noise", "fog", "brightness", "jpeg_compression"]
    amounts = [1, 2, 4, 8]
    curves = []
    with tempfile.TemporaryDirectory() as name:
        seconds_of_run("digits-source", every[:1], name)  # trains the source model, which the others take from the cache
        for run in ("digits-bn", "digits-tent-10"):
            curves.append(Curve(run, amounts, [seconds_of_run(run, every[:amount], name) for amount in amounts]))
    return Chart("A run of the reference experiment on the digits", "corruptions", curves)


def seconds_of_run(run: str, corruptions: list[str], folder: str) -> float:
    """The time of one run of the reference experiment, with a cache in a folder."""
    command = [sys.executable, "-m", "src.train", f"run={run}", f"run.dataset.corruption_types=[{','.join(corruptions)}]"]
    command += [f"hydra.run.dir='{folder}/hydra'", f"results_dir='{folder}/results'", f"cache_dir='{folder}/cache'", "wandb.mode=disabled"]
    started = time.perf_counter()
    subprocess.run(command, cwd=EXPERIMENT, check=True, capture_output=True)
    return time.perf_counter() - started


def trials() -> Chart:
    """A search on the digits, over trials, with one thread and two."""
    amounts = [4, 8, 16]
    curves = []
    with tempfile.TemporaryDirectory() as name:
        search_workers.seconds(Path(name), 1, 1)  # trains the source model, which the others take from the cache
        for workers in (1, 2):
            curves.append(
                Curve(f"{workers} thread{'s' * (workers > 1)}", amounts, [search_workers.seconds(Path(name), n, workers) for n in amounts])
            )
    return Chart("A search of the reference experiment on the digits", "trials", curves)


CHARTS: dict[str, Callable[[], Chart]] = {"gate": gate, "steps": steps, "corruptions": corruptions, "trials": trials}


def table(name: str, chart: Chart) -> Iterator[str]:
    """The chart as Markdown."""
    yield f"## {chart.title}\n"
    yield f"![{chart.title}]({name}.svg)\n"
    amounts = chart.curves[0].amounts
    yield f"| seconds for … {chart.what} | {' | '.join(map(str, amounts))} | the line |"
    yield f"|---|{'---|' * len(amounts)}---|"
    for curve in chart.curves:
        start, slope = curve.line()
        yield f"| {curve.name} | {' | '.join(f'{value:.3g}' for value in curve.seconds)} | {start:.3g} + {slope:.3g} each |"
    yield ""


def draw(chart: Chart) -> Figure:
    """The chart as a figure."""
    figure = Figure(figsize=(4.5, 3), layout="constrained")
    axis = figure.subplots()
    for place, curve in enumerate(chart.curves):
        start, slope = curve.line()
        colour = f"C{place}"
        axis.plot([0, max(curve.amounts)], [start, start + slope * max(curve.amounts)], color=colour, linewidth=0.8)
        axis.plot(curve.amounts, curve.seconds, "o", color=colour, label=curve.name)
    axis.set(xlabel=chart.what, ylabel="seconds", title=chart.title, xlim=(0, None), ylim=(0, None))
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(CHARTS), help="which, with commas")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "scaling", help="folder of the tables and plots")
    given = parser.parse_args()
    names = given.only.split(",")
    if unknown := [name for name in names if name not in CHARTS]:
        sys.exit(f"There is no {', '.join(unknown)}: there are {', '.join(CHARTS)}.")
    given.output.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"font.size": 8, "axes.titlesize": 8, "svg.hashsalt": "gonogo"})
    for name in names:
        chart = CHARTS[name]()
        text = "\n".join(table(name, chart))
        print(text, flush=True)
        (given.output / f"{name}.md").write_text(text + "\n", "utf-8")
        draw(chart).savefig(given.output / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
