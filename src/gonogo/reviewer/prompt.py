"""What a reviewer is told: contract, plan, composed configs, the code line by line, and what is established already."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
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

SYSTEM, USER = "system.md.j2", "user.md.j2"
SUFFIXES = (".py", ".yaml", ".yml", ".toml", ".md")
MOST_CONFIGS = 6


@dataclass(frozen=True)
class Prompt:
    """The two texts; `fence` marks where the experiment's own text begins and ends."""

    system: str
    user: str
    fence: str


def build(
    experiment: Experiment,
    contract: Contract,
    plan: Plan | None,
    traces: list[Trace],
    established: list[str],
    most_characters: int,
    templates: str | None = None,
) -> Prompt:
    """Make the prompt.

    Args:
        experiment: whose files are shown, raw and with line numbers.
        contract: its criteria are named.
        plan: the plan, if there is one.
        traces: of its runs; the composed configs come from them.
        established: what the checks and runs have shown, a sentence each.
        most_characters: how long the files may be together; longer ones are left out, the least important first.
        templates: a folder with other templates.

    Raises:
        UsageError: the templates can't be read or are none, or jinja2 is not installed.
    """
    files, left_out = _files(experiment, most_characters)
    plain = _plan(plan)
    # Not to be guessed by whoever wrote the text, and the same for the same text, so that an answer can be kept.
    fence = "=====" + hashlib.sha256(json.dumps([plain, files]).encode("utf-8", "surrogatepass")).hexdigest()[:20]
    values = {
        "fence": fence,
        "contract": contract,
        "plan": plain,
        "configs": _configs(traces),
        "files": files,
        "left_out": left_out,
        "established": established,
    }
    return Prompt(_render(SYSTEM, templates, values), _render(USER, templates, values), fence)


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


def _files(experiment: Experiment, most: int) -> tuple[dict[str, str], list[str]]:
    """The texts with line numbers, code before configs; what does not fit any more is left out and named."""
    chosen = sorted(experiment.with_suffix(*SUFFIXES), key=lambda file: (SUFFIXES.index(_suffix(file.path)), file.path))
    shown, left_out, used = {}, [], 0
    for file in chosen:
        lines = split_lines(file.text or "")
        text = "\n".join(f"{number:>4} {line}" for number, line in enumerate(lines, 1))
        if used + len(text) > most:
            left_out.append(file.path)
            continue
        used += len(text)
        shown[file.path] = text
    return shown, left_out


def _suffix(path: str) -> str:
    return next(suffix for suffix in SUFFIXES if path.endswith(suffix))


def _plan(plan: Plan | None) -> str:
    if plan is None:
        return "There is no plan."
    shown = {"method": plan.method, "design": plan.design, "metrics": plan.metrics}
    runs = [run.model_dump(exclude={"config_yaml"}, exclude_none=True) for run in plan.runs]
    return json.dumps({**shown, "runs": runs}, indent=1, ensure_ascii=False, default=str)


def _configs(traces: list[Trace]) -> dict[str, str]:
    """The config of each run as the training process composes it, for the full command; the first runs alone if there are many."""
    composed = list(composed_configs(traces).items())[:MOST_CONFIGS]
    return {run_id: json.dumps(config, ensure_ascii=False, default=str) for run_id, config in composed}


def establish(
    modules: dict[str, Module], traces: list[Trace], findings: Iterable[Finding], stages: Iterable[StageReport], notes: Iterable[str]
) -> list[str]:
    """What the stages before have shown, a sentence each."""
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
    facts += [note for note in notes if "stand-ins" in note]
    return facts + [f"found: {finding.location} {finding.rule}: {' '.join(finding.message.split())}" for finding in findings]


def _composes(trace: Trace) -> bool:
    every = [composition for process in trace.processes for _, composition in process.compositions]
    return bool(every) and all(composition.ok for composition in every)


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
            match = _ORDERS.search(line)
            if match is not None:
                found.append((file.path, number, " ".join(match[0].split())))
    return found
