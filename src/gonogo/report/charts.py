"""Drawings of what a stage saw.

A chart for each metric with a line for each run, and how often a network gave each answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gonogo.model.verdict import AnswersReport, CurveReport, StageReport

WIDTH, HEIGHT, MARGIN = 300.0, 120.0, 6.0
MOST_BARS = 40
#: Lines differ by colour and by dashes, for who can't tell the colours, and on paper.
STYLES = 6


@dataclass(frozen=True)
class Line:
    """One run's line in a chart.

    Attributes:
        run: the run's id.
        style: a number from 0, of its colour and dashes.
        points: the places as SVG has them; for a single value, it twice.
        steps: and `values`, as they were logged.
        last: the last value, as text.
    """

    run: str
    style: int
    points: str
    steps: list[float]
    values: list[float]
    last: str


@dataclass(frozen=True)
class Chart:
    """A metric over its steps.

    Attributes:
        name: the key that was logged.
        lines: of the runs that logged it.
        low: and `high`, the values at the lower and the upper edge, as text; `first` and `end`, the steps at the left and the right one.
    """

    name: str
    lines: list[Line]
    low: str
    high: str
    first: str
    end: str

    @property
    def told(self) -> str:
        """The chart in words."""
        runs = "; ".join(f"{line.run}: {len(line.values)} values, the last {line.last}" for line in self.lines)
        return f"{self.name}, steps {self.first} to {self.end}, between {self.low} and {self.high}. {runs}"


@dataclass(frozen=True)
class Histogram:
    """How often a network gave each answer.

    Attributes:
        run: the run's id.
        answers: what was seen.
        bars: of one class or of several next to each other: its name, how many rows, its place, its height.
    """

    run: str
    answers: AnswersReport
    bars: list[tuple[str, int, float, float, float]]

    @property
    def told(self) -> str:
        """The histogram in words."""
        most = max(range(len(self.answers.counts)), key=self.answers.counts.__getitem__, default=0)
        given = sum(count > 0 for count in self.answers.counts)
        return (
            f"{self.run}: {self.answers.rows} rows over {self.answers.classes} classes; {given} classes were answered, most often class "
            f"{most} ({self.answers.counts[most] if self.answers.counts else 0} rows)"
        )


def drawn(stages: list[StageReport]) -> StageReport | None:
    """The stage whose runs are drawn: the last that has something to draw."""
    return next((stage for stage in reversed(stages) if any(run.curves or run.answers for run in stage.runs)), None)


def charts(stage: StageReport) -> list[Chart]:
    """A chart for each metric of a stage, in the order in which they were first logged."""
    found: dict[str, list[tuple[int, str, CurveReport]]] = {}
    for number, run in enumerate(stage.runs):
        for curve in run.curves:
            found.setdefault(curve.name, []).append((number, run.run, curve))
    return [_chart(name, curves) for name, curves in found.items()]


def histograms(stage: StageReport) -> Iterator[Histogram]:
    """What each run's networks answered."""
    for run in stage.runs:
        for answers in run.answers:
            size = -(-len(answers.counts) // MOST_BARS) or 1
            groups = [answers.counts[start : start + size] for start in range(0, len(answers.counts), size)]
            names = [
                str(place * size) if size == 1 else f"{place * size}-{place * size + len(group) - 1}" for place, group in enumerate(groups)
            ]
            highest, wide = max(map(sum, groups), default=0) or 1, WIDTH / max(len(groups), 1)
            bars = [
                (name, sum(group), place * wide, wide * 0.8, sum(group) / highest * HEIGHT)
                for place, (name, group) in enumerate(zip(names, groups, strict=True))
            ]
            yield Histogram(run.run, answers, bars)


def _chart(name: str, curves: list[tuple[int, str, CurveReport]]) -> Chart:
    values = [value for *_, curve in curves for value in curve.values]
    steps = [step for *_, curve in curves for step in curve.steps]
    low, high, first, end = min(values), max(values), min(steps), max(steps)
    lines = []
    for number, run, curve in curves:
        places = [
            f"{_at(step, first, end, WIDTH):.1f},{HEIGHT - _at(value, low, high, HEIGHT):.1f}"
            for step, value in zip(curve.steps, curve.values, strict=True)
        ]
        lines.append(
            Line(
                run,
                number % STYLES,
                " ".join(places * (2 if len(places) == 1 else 1)),
                curve.steps,
                curve.values,
                f"{curve.values[-1]:.5g}",
            )
        )
    return Chart(name, lines, *(f"{number:.5g}" for number in (low, high, first, end)))


def _at(value: float, low: float, high: float, size: float) -> float:
    """Where a value lies on an axis; in the middle where all are the same."""
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5  # halves: their difference is finite
    return MARGIN + share * (size - 2 * MARGIN)
