"""A verdict as one HTML page that needs nothing else: no script, no file beside it, no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from gonogo.documents.lines import split_lines
from gonogo.model import contract as contracts
from gonogo.model.causes import by_cause
from gonogo.model.errors import UsageError
from gonogo.model.finding import Finding, Location, Severity
from gonogo.model.verdict import NumberReport, Outcome, StageReport, Verdict
from gonogo.report import plain
from gonogo.report.charts import charts, drawn, histograms
from gonogo.report.excerpt import Row, rows
from gonogo.report.formats import Collector, Format, RuleHelp, Target
from gonogo.report.formats.full import SEVERITY_NAMES, place, summary
from gonogo.report.places import rule_url

_OUTCOMES = {Outcome.GO: "go", Outcome.NO_GO: "no-go", Outcome.UNDECIDED: "undecided"}


@dataclass(frozen=True)
class Light:
    """One of the contract's criteria with its state.

    The state is the worst that was found about it: an error, a warning, a note, or nothing (ok).
    """

    number: int
    name: str
    state: str


@dataclass(frozen=True)
class Bar:
    """A stage or a run of one on the clock: where it begins and how long it is, as shares of the whole."""

    name: str
    status: str
    reason: str
    seconds: float
    left: float
    width: float
    is_run: bool


@dataclass(frozen=True)
class Listing:
    """A file in which keys of the config are written or read.

    Attributes:
        path: of the file.
        lines: of its text.
        anchor: how the anchors of its lines begin; the line's number follows.
    """

    path: str
    lines: list[str]
    anchor: str


class HtmlWriter(Collector):
    """Writes one page with the verdict of each experiment."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._sources: list[Mapping[str, str]] = []

    def add(self, verdict: Verdict, sources: Mapping[str, str]) -> None:
        """Take a verdict, and the texts that its findings point into."""
        super().add(plain.verdict(verdict), sources)
        self._sources.append(sources)

    def finish(self, seconds: float) -> None:
        """Write the page."""
        helps = self._target.rules()
        pages = [_page(number, *each, helps) for number, each in enumerate(zip(self._verdicts, self._sources, strict=True))]
        print(plain.block(_template().render(pages=pages, seconds=seconds)), file=self._stream)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("gonogo.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["code"] = _with_code
    environment.globals.update(place=place, names=SEVERITY_NAMES)
    return environment.get_template("report.html")


def _with_code(text: str) -> Markup:
    """Text with what stands in backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick of its own
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts))


def _page(number: int, verdict: Verdict, sources: Mapping[str, str], helps: Mapping[str, RuleHelp]) -> dict[str, object]:
    """What the template shows of one verdict."""
    lines = {path: split_lines(text) for path, text in sources.items()}
    listings = _listings(number, verdict, lines)
    stage = drawn(verdict.stages)
    drawings = charts(stage) if stage is not None else []

    def excerpt(location: Location) -> list[Row]:
        found = lines.get(location.source)
        return list(rows(location, found)) if found else []

    return {
        "verdict": verdict,
        "mark": _OUTCOMES[verdict.outcome],
        "summary": summary(verdict),
        "url": lambda rule: rule_url(verdict, rule),
        "lights": list(_lights(verdict)),
        "causes": list(by_cause(verdict.findings)),
        "excerpt": excerpt,
        "helps": helps,
        "bars": list(_bars(verdict.stages)),
        "drawn": stage.name if stage is not None else "",
        "charts": drawings,
        "histograms": list(histograms(stage)) if stage is not None else [],
        "key_of_lines": list({line.run: line.style for chart in drawings for line in chart.lines}.items()),
        "ran": [each for each in verdict.stages if each.held_in],
        "standins": list(dict.fromkeys(text for each in verdict.stages for text in each.stand_ins)),
        "subjects": _subjects(verdict),
        "listings": listings.values(),
        "anchor": lambda location: f"#{listings[location.source].anchor}{location.line}" if location.source in listings else "",
    }


def _listings(number: int, verdict: Verdict, lines: Mapping[str, list[str]]) -> dict[str, Listing]:
    """The files that the configs' keys are written and read in, by path."""
    keys = [key for config in verdict.configs for key in config.keys]
    paths = {place.source for key in keys for place in (key.defined, *key.readers) if place is not None}
    known = sorted(path for path in paths if path in lines)
    shown = {path: [plain.line(line) for line in lines[path]] for path in known}
    return {path: Listing(path, shown[path], f"e{number}-f{index}-") for index, path in enumerate(known)}


def _lights(verdict: Verdict) -> Iterator[Light]:
    try:
        criteria = contracts.load(verdict.contract).criteria if verdict.contract else {}
    except UsageError:  # a contract of the caller's own file: its name alone does not lead to it
        criteria = {}
    for number, name in sorted(criteria.items()):
        about = [finding for finding in verdict.findings if finding.criterion == number]
        yield Light(number, name, _worst(about))


def _worst(findings: list[Finding]) -> str:
    return next((SEVERITY_NAMES[severity] for severity in Severity if any(each.severity is severity for each in findings)), "ok")


def _bars(stages: list[StageReport]) -> Iterator[Bar]:
    """The stages one after the other, each followed by its runs on its own clock."""
    whole = sum(stage.seconds for stage in stages) or 1.0
    begun = 0.0
    for stage in stages:
        yield Bar(stage.name, stage.status, stage.reason, stage.seconds, begun / whole, stage.seconds / whole, is_run=False)
        for run in stage.runs:
            left = min(begun + run.started, whole) / whole
            yield Bar(run.run, run.status, "", run.seconds, left, min(run.seconds / whole, 1.0 - left), is_run=True)
        begun += stage.seconds


def _subjects(verdict: Verdict) -> dict[str, tuple[list[str], list[NumberReport]]]:
    """The challenge's numbers by run, each with the alterations that were tried on it."""
    found: dict[str, tuple[list[str], list[NumberReport]]] = {}
    for number in verdict.challenge.numbers if verdict.challenge is not None else ():
        columns, numbers = found.setdefault(number.subject, ([], []))
        numbers.append(number)
        columns += [name for name in number.cells if name not in columns]
    return found


FORMAT = Format("a page to look at and to send", HtmlWriter, configs=True)
