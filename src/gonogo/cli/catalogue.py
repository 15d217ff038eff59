"""The rules and the contracts, for people: `gonogo rules`, `gonogo explain` and `gonogo contracts`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

from rich.text import Text

from gonogo.model import contract as contracts
from gonogo.model.errors import UsageError
from gonogo.report.console import ReportConsole
from gonogo.report.formats import RuleHelp
from gonogo.report.formats.full import SEVERITY_NAMES, SEVERITY_STYLES
from gonogo.rules.base import HEADINGS, MARKER, Edit, Rule, Tree, all_rules, nearest_names

MOST_EXAMPLE_LINES = 30


def print_rules(format: str) -> int:
    """List every rule, as text or as JSON."""
    rules = list(all_rules().values())
    if format == "json":
        print(json.dumps([_as_dict(rule) for rule in rules], indent=2))
        return 0
    console = ReportConsole(sys.stdout)
    widest = max(len(rule.slug) for rule in rules)
    for rule in rules:
        severity = SEVERITY_NAMES[rule.severity]
        preview = " (preview: off unless selected)" if rule.preview else ""
        parts = (
            (f"{rule.id:<7}", "bold"),
            f"{rule.slug:<{widest}}  ",
            (f"{severity:<8}", SEVERITY_STYLES[rule.severity]),
            rule.title,
            preview,
        )
        console.put(Text.assemble(*parts))
    return 0


def print_rule(name: str) -> int:
    """Explain one rule: its documentation, and what makes it speak and keeps it silent.

    Raises:
        UsageError: there is no such rule.
    """
    rule = next((rule for rule in all_rules().values() if name.upper() == rule.id or name == rule.slug), None)
    if rule is None:
        near = nearest_names(name)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(f"There is no rule '{name}': {meant}`gonogo rules` lists them.")
    console = ReportConsole(sys.stdout)
    console.put(Text.assemble((f"{rule.id} {rule.slug}", "bold"), f": {rule.title}"))
    console.put(
        Text(f"severity {SEVERITY_NAMES[rule.severity]}, stage {rule.stage}, {_criterion(rule)}{', preview' if rule.preview else ''}")
    )
    sections = rule.sections()
    for heading in (heading for heading in HEADINGS if heading in sections):
        console.put(Text.assemble("\n", (f"{heading}: ", "bold"), sections[heading]))
    bad, good = rule.examples()
    for trees, title in ((bad, "It speaks here"), (good, "It is silent here")):
        for tree in trees:
            console.put(Text.assemble("\n", (title, "bold")))
            for line in _example(tree):
                style = {"+": "green", "-": "red"}.get(line[:1], "")
                console.put(Text(f"  {line}", style), cut=True)
    return 0


def rule_helps() -> dict[str, RuleHelp]:
    """The documentation of every rule, for formats that carry it."""
    found = {}
    for rule in all_rules().values():
        sections = {heading: text for heading, text in rule.sections().items() if text}
        text = "\n\n".join([rule.title, *(f"{heading}: {told}" for heading, told in sections.items())])
        markdown = "\n\n".join([rule.title, *(f"**{heading}.** {told}" for heading, told in sections.items())])
        found[rule.id] = RuleHelp(rule.severity, rule.title, sections.get("Why it matters", ""), text, markdown)
    return found


def rule_page(rule: Rule) -> str:
    """The page of a rule in Markdown: what `gonogo explain` tells."""
    parts = [f"# {rule.id} {rule.slug}", rule.title]
    parts.append(f"Severity {SEVERITY_NAMES[rule.severity]}, stage {rule.stage}, {_criterion(rule)}{', preview' if rule.preview else ''}.")
    sections = rule.sections()
    parts.extend(f"## {heading}\n\n{sections[heading]}" for heading in HEADINGS if sections.get(heading))
    bad, good = rule.examples()
    for trees, title in ((bad, "It speaks here"), (good, "It is silent here")):
        if trees:
            parts.append(f"## {title}")
        for tree in trees:
            lines = list(_example(tree))
            fence = "`" * (3 + max((len(run) for line in lines for run in re.findall("`{3,}", line)), default=0))
            parts.append("\n".join([f"{fence}diff", *lines, fence]))
    return "\n\n".join(parts) + "\n"


def print_contracts() -> int:
    """List the contracts that come with gonogo."""
    for name in contracts.names():
        default = " (default)" if name == contracts.DEFAULT else ""
        print(f"{name}{default}: {contracts.load(name).title}")
    return 0


def _example(tree: Tree) -> Iterator[str]:
    """The changes to the golden experiment as lines: what goes with `-`, what comes with `+`."""
    for path, change in tree.changes.items():
        yield path if change is not None else f"{path} is deleted"
        if isinstance(change, str):
            yield from _marked("+", change)
        elif change is not None:
            for number, edit in enumerate((change,) if isinstance(change, Edit) else change):
                if number:
                    yield "…"
                yield from _marked("-", edit.old)
                yield from _marked("+", edit.new)
    if tree.plan is not None:
        yield "the plan"
        yield from _marked("+", tree.plan)
    if not tree.changes and tree.plan is None:
        yield "the experiment as it is"


def _marked(sign: str, text: str) -> Iterator[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines[:MOST_EXAMPLE_LINES]:
        yield f"{sign} {line.replace(MARKER, '   ← here')}"
    if len(lines) > MOST_EXAMPLE_LINES:
        yield f"{sign} … and {len(lines) - MOST_EXAMPLE_LINES} more lines"


def _criterion(rule: Rule) -> str:
    if rule.criterion is None:
        return "no criterion of the contract"
    return f"criterion {rule.criterion} ({contracts.load(contracts.DEFAULT).criteria[rule.criterion]})"


def _as_dict(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "slug": rule.slug,
        "title": rule.title,
        "severity": rule.severity,
        "criterion": rule.criterion,
        "stage": rule.stage,
        "preview": rule.preview,
    }
