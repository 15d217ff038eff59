"""What a reviewer is told.

That is the contract, plan, composed configs, the code line by line, and what is established already.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from gonogo.analysis.interpreter.trace import Trace, composed_configs
from gonogo.analysis.python.modules import Module
from gonogo.documents.lines import split_lines
from gonogo.model.contract import Contract
from gonogo.model.errors import UsageError
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Finding
from gonogo.model.plan import Plan
from gonogo.model.verdict import StageReport
from gonogo.report import plain

SYSTEM, USER = "system.md.j2", "user.md.j2"
SUFFIXES = (".py", ".yaml", ".yml", ".toml", ".md")
MOST_CONFIGS = 6
FACTS_SHARE, PLAN_SHARE = 4, 3  # of the room that is left: findings get at most a fourth, then the plan a third
FEWEST_LINES = 10  # of a file that is shown in part
MARKS = 60  # characters around a part of a prompt
MOST_NAMED = 20


@dataclass(frozen=True)
class Prompt:
    """The two texts.

    Attributes:
        fence: marks where the experiment's own text begins and ends.
        left_out: what there was no room for.
    """

    system: str
    user: str
    fence: str
    left_out: list[str]

    @property
    def length(self) -> int:
        """Characters of both."""
        return len(self.system) + len(self.user)


@dataclass(frozen=True)
class Told:
    """What a reviewer may be told; `cut` leaves out the least important.

    Attributes:
        established: what the checks and runs have shown, a sentence each: the findings first.
        plan: as a text.
        files: by path, the most important first, line by line with numbers.
        configs: the composed configs by run.
    """

    established: list[str]
    plan: str
    files: dict[str, list[str]]
    configs: dict[str, str]
    left_out: list[str] = field(default_factory=list)

    def cut(self, most: int) -> Told:
        """As much of it as fits into so many characters: findings, plan, files and configs, in this order."""
        room = _Room(most)
        established = room.take_whole(self.established, room.left // FACTS_SHARE, "{} of the established facts")
        plan = room.take_start(self.plan, room.left // PLAN_SHARE, "the end of the plan")
        files = {}
        for path, lines in self.files.items():
            kept = room.take_lines(lines, path)
            if kept:
                files[path] = "\n".join(kept)
        configs = {}
        for run_id, config in self.configs.items():
            if room.takes(config):
                configs[run_id] = config
            else:
                room.left_out.append(f"the composed config of {run_id}")
        return Told(established, plan, {path: [text] for path, text in files.items()}, configs, room.left_out)


class _Room:
    """Characters that are left, and what found no room in them."""

    def __init__(self, most: int) -> None:
        self.left = most
        self.left_out: list[str] = []

    def takes(self, text: str, most: int | None = None) -> bool:
        size = len(text) + MARKS
        if size > (self.left if most is None else min(most, self.left)):
            return False
        self.left -= size
        return True

    def take_whole(self, texts: list[str], most: int, what: str) -> list[str]:
        """Texts up to a share of the room."""
        kept: list[str] = []
        for text in texts:
            if len(text) + MARKS > most or not self.takes(text):
                break
            most -= len(text) + MARKS
            kept.append(text)
        if len(kept) < len(texts):
            self.left_out.append(what.format(len(texts) - len(kept)))
        return kept

    def take_start(self, text: str, most: int, what: str) -> str:
        """A text, or its beginning."""
        if self.takes(text, most):
            return text
        self.left -= most
        self.left_out.append(what)
        return text[:most]

    def take_lines(self, lines: list[str], path: str) -> list[str]:
        """A file, or as many of its first lines as fit."""
        if self.takes("\n".join(lines)):
            return lines
        kept: list[str] = []
        for line in lines:
            if not self.takes(line):
                break
            self.left += MARKS - 1
            kept.append(line)
        if len(kept) < FEWEST_LINES:
            self.left += sum(len(line) + 1 for line in kept)
            kept = []
        self.left_out.append(f"{path} from line {len(kept) + 1} on" if kept else path)
        return kept


def told_about(
    experiment: Experiment, plan: Plan | None, traces: list[Trace], findings: Iterable[Finding], established: list[str], last: str
) -> Told:
    """What a reviewer may be told.

    Args:
        experiment: whose files are shown, with line numbers.
        plan: the plan, if there is one.
        traces: of its runs; the composed configs come from them.
        findings: the files that they point into are shown first.
        established: what the checks and runs have shown, a sentence each: the most important first.
        last: a Python file that is shown after the others: it only reports.
    """
    concerned = {finding.location.path for finding in findings}

    def rank(path: str) -> tuple[bool, int, bool, str]:
        return path not in concerned, SUFFIXES.index(_suffix(path)), path == last, path

    files = {}
    for path in sorted((file.path for file in experiment.with_suffix(*SUFFIXES)), key=rank):
        numbered = enumerate(split_lines(experiment.text(path) or ""), 1)
        files[path] = [f"{number:>4} {plain.line(line)}" for number, line in numbered]
    return Told(established, _plan(plan), files, _configs(traces))


def build(told: Told, contract: Contract, most_characters: int, templates: str | None = None) -> Prompt:
    """Make the prompt.

    Args:
        told: what is to be told.
        contract: its criteria are named.
        most_characters: of the whole prompt; what has no room is left out, the least important first.
        templates: a folder with other templates.

    Raises:
        UsageError: the templates can't be read or are none, or jinja2 is not installed.
    """
    room = max(0, most_characters - _made(Told([], "", {}, {}), contract, templates).length)
    while True:
        prompt = _made(told.cut(room), contract, templates)
        beyond = prompt.length - most_characters  # what was left out is named, which takes room as well
        if beyond <= 0 or not room:
            return prompt
        room = max(0, room - beyond)


def _made(told: Told, contract: Contract, templates: str | None) -> Prompt:
    files = {path: "\n".join(lines) for path, lines in told.files.items()}
    # Not to be guessed by whoever wrote the text, and the same for the same text, so that an answer can be kept.
    fence = "=====" + hashlib.sha256(json.dumps([told.plan, files]).encode("utf-8", "surrogatepass")).hexdigest()[:20]
    values = {
        "fence": fence,
        "contract": contract,
        "plan": told.plan,
        "configs": told.configs,
        "files": files,
        "left_out": told.left_out[:MOST_NAMED],
        "established": told.established,
    }
    return Prompt(_render(SYSTEM, templates, values), _render(USER, templates, values), fence, told.left_out)


def _render(name: str, templates: str | None, values: dict[str, Any]) -> str:
    try:
        import jinja2
    except ImportError as error:
        raise UsageError("The AI reviewer needs jinja2: install gonogo[ai].") from error
    try:
        if templates is None:
            text = (resources.files("gonogo.reviewer") / "templates" / name).read_text("utf-8")
        else:
            text = (Path(templates) / name).read_text("utf-8")
        # The templates are gonogo's or the caller's; the experiment's text only ever is a value, which is not looked into.
        return (
            jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)
            .from_string(text)
            .render(values)
        )
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The template {name} can't be read from {templates}: {error}.") from error
    except jinja2.TemplateError as error:
        raise UsageError(f"The template {name} in {templates} is not valid: {error}.") from error


def _suffix(path: str) -> str:
    return next(suffix for suffix in SUFFIXES if path.endswith(suffix))


def _plan(plan: Plan | None) -> str:
    if plan is None:
        return "There is no plan."
    shown = {"method": plan.method, "design": plan.design, "metrics": plan.metrics}
    runs = [run.model_dump(exclude={"config_yaml"}, exclude_none=True) for run in plan.runs]
    return plain.to_json({**shown, "runs": runs}, indent=1)


def _configs(traces: list[Trace]) -> dict[str, str]:
    """Return each run's config as the training process composes it, for the full command.

    If there are many runs, only the first ones are included.
    """
    composed = list(composed_configs(traces).items())[:MOST_CONFIGS]
    return {run_id: plain.to_json(config) for run_id, config in composed}


def establish(
    modules: dict[str, Module], traces: list[Trace], findings: Iterable[Finding], stages: Iterable[StageReport], notes: Iterable[str]
) -> list[str]:
    """What the stages before have shown, a sentence each: the findings first."""
    found = [f"found: {finding.location} {finding.rule}: {' '.join(finding.message.split())}" for finding in findings]
    return [plain.line(fact) for fact in (*found, *_shown(modules, traces, stages, notes))]


def _shown(modules: dict[str, Module], traces: list[Trace], stages: Iterable[StageReport], notes: Iterable[str]) -> list[str]:
    parsed = [path for path, module in modules.items() if module.fault is None]
    facts = [f"these files parse: {', '.join(sorted(parsed))}"] if parsed else []
    composed = sorted({trace.run_id for trace in traces if _composes(trace)})
    failing = sorted({trace.run_id for trace in traces} - set(composed))
    facts += [f"Hydra composes these runs: {', '.join(composed)}"] if composed else []
    facts += [f"Hydra does not compose these runs, or nobody asked it to: {', '.join(failing)}"] if failing else []
    for stage in stages:
        if stage.runs:
            shown = ", ".join(f"{run.run} {run.status}" for run in stage.runs)
            facts.append(f"the {stage.name} was run in a sandbox: {shown}")
    return facts + [note for note in notes if "stand-ins" in note]


def _composes(trace: Trace) -> bool:
    every = [composition for process in trace.processes for _, composition in process.compositions]
    return bool(every) and all(composition.ok for composition in every)


TAGS = 0xE0000  # where Unicode's tag characters begin, in the order of ASCII
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget)\s++(?:all\s++|any\s++|the\s++|your\s++)*(?:previous|prior|above|earlier|other|these)?\s*+(?:instructions|rules|criteria|prompts?)"
    r"|\b(?:dear|attention|note to|message to|hey)\s++(?:the\s++)?(?:ai|llm|language model|reviewer|assistant|gpt|claude|grader|judge)\b"
    r"|\b(?:you are|act as)\s++(?:a|an|the)\s++(?:helpful\s++)?(?:ai|assistant|reviewer|language model|grader|judge)\b"
    r"|\b(?:mark|rate|grade|approve|accept|pass|report)\s++(?:this|the)\s++(?:code|experiment|submission|repository)\s++(?:as\s++)?(?:ready|correct|passed|approved|valid|good)"
    r"|[\"']is_code_ready[\"']\s*+:\s*true"
    r"|\b(?:reviewers?|graders?|judges?|models?)\s++(?:must|should|have to)\s++(?:answer|respond|return|report|say|approve|not\s++report)",
    re.IGNORECASE,
)


def orders_in(experiment: Experiment) -> list[tuple[str, int, str]]:
    """Lines of the experiment that speak to a reviewer, as (path, line, what it says)."""
    found = []
    for file in experiment.with_suffix(*SUFFIXES):
        for number, line in enumerate(split_lines(file.text or ""), 1):
            match = _ORDERS.search(line if line.isascii() else _visible(line))
            if match is not None:
                found.append((file.path, number, " ".join(match[0].split())))
    return found


def _visible(line: str) -> str:
    """Return a line as a model may read it.

    Invisible characters are removed, and tag characters are replaced by the letters that they stand for.
    """
    letters = (chr(ord(character) - TAGS) if TAGS + 0x20 <= ord(character) < TAGS + 0x7F else character for character in line)
    return "".join(character for character in letters if plain.is_plain(character) or character == "\t")
