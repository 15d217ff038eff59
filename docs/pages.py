"""Build the documentation as a site: `uv run python docs/pages.py` writes it to `site/html`.

The pages in this folder are taken as they are. Those of the rules, the commands, the contracts and the verdict's schema are made from the
code.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
import typing
from collections import defaultdict
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from typer.models import ArgumentInfo, ParameterInfo

from gonogo.cli.app import build, names
from gonogo.cli.catalogue import rule_page
from gonogo.model import contract
from gonogo.model.verdict import Verdict
from gonogo.rules.base import Rule, all_rules

ROOT = Path(__file__).parents[1]
FAMILY = re.compile(r"[A-Z]+")


def main(project: Path = ROOT) -> int:
    """Lay the pages of a project out and build its site; a link that leads nowhere ends it."""
    folder = project / "site" / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in pages(project).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    return subprocess.run([sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=project, check=False).returncode


def pages(project: Path) -> dict[str, str]:
    """All pages: path and text."""
    rules = list(all_rules().values())
    docs = project / "docs"
    return {
        **{path.relative_to(docs).as_posix(): path.read_text("utf-8") for path in docs.rglob("*.md")},
        "index.md": first_page((project / "README.md").read_text("utf-8")),
        "rules/index.md": rules_page(rules),
        "reference/commands.md": commands_page(),
        "reference/contracts.md": contracts_page(),
        "reference/verdict.md": verdict_page(),
        **{f"rules/{rule.id}.md": rule_page(rule) for rule in rules},
    }


def first_page(readme: str) -> str:
    """The README with links as the site has them; what they name outside the documentation is plain text."""
    return re.sub(r"\[([^\]]*)\]\((?!https?:|#|docs/)[^)]*\)", r"\1", readme).replace("](docs/", "](")


def rules_page(rules: list[Rule]) -> str:
    """All rules, a table for each family."""
    families: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        found = FAMILY.match(rule.id)
        assert found is not None
        families[found[0]].append(rule)
    parts = ["# Rules", f"{len(rules)} rules. `gonogo explain ID` shows the same on the command line."]
    for family, members in sorted(families.items()):
        rows = [f"| [{rule.id}]({rule.id}.md) | {rule.slug} | {rule.severity} | {_cell(rule.title)} |" for rule in members]
        parts.append("\n".join([f"## {family}", "", "| Id | Name | Severity | What is wrong |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def commands_page() -> str:
    """Every command with its arguments and options."""
    parts = ["# Command line", "`gonogo COMMAND --help` says the same."]
    app = build([])
    for group in app.registered_groups:
        assert group.typer_instance is not None and group.typer_instance.registered_callback is not None
        parts.extend(_command(str(group.name), group.typer_instance.registered_callback.callback))
        for command in group.typer_instance.registered_commands:
            parts.extend(_command(f"{group.name} {command.name or _words(command.callback)}", command.callback))
    for command in app.registered_commands:
        parts.extend(_command(str(command.name), command.callback))
    told = {part.split("`")[1].split()[1] for part in parts if part.startswith("## ")}
    assert told == set(names()), f"commands without a section: {set(names()) - told}"
    return "\n\n".join(parts) + "\n"


def contracts_page() -> str:
    """The contracts that come with gonogo."""
    rows = [f"| `{name}` | {_cell(contract.load(name).title)} |" for name in contract.names()]
    text = ["# Contracts", "A contract is the shape that is expected of an experiment: `--contract NAME`; detected where it is not given."]
    return "\n\n".join([*text, "\n".join(["| Name | What it is |", "|---|---|", *rows])]) + "\n"


def verdict_page() -> str:
    """The JSON schema of a verdict, as `gonogo schema` prints it."""
    schema = json.dumps(Verdict.model_json_schema(mode="serialization"), indent=2)
    return f"# JSON of a verdict\n\n`gonogo schema` prints this schema.\n\n```json\n{schema}\n```\n"


def _command(name: str, function: Any) -> Iterator[str]:
    yield f"## `gonogo {name}`"
    yield inspect.getdoc(function) or ""
    hints = typing.get_type_hints(function, include_extras=True)
    rows = []
    for parameter in inspect.signature(function).parameters.values():
        for declared in getattr(hints.get(parameter.name), "__metadata__", ()):
            if isinstance(declared, ParameterInfo) and not declared.hidden:
                rows.append(f"| {_shown(parameter.name, declared, hints[parameter.name].__origin__)} | {_cell(declared.help or '')} |")
    if rows:
        yield "\n".join(["| Argument or option | Meaning |", "|---|---|", *rows])


def _shown(name: str, declared: ParameterInfo, kind: Any) -> str:
    if isinstance(declared, ArgumentInfo):
        return f"`{declared.metavar or name.upper()}`"
    choices = f"{{{','.join(entry.value for entry in kind)}}}" if isinstance(kind, type) and issubclass(kind, Enum) else ""
    value = f" {declared.metavar or choices}".rstrip()
    return ", ".join(f"`{entry}{value}`" for entry in declared.param_decls or [f"--{name.replace('_', '-')}"])


def _words(function: Any) -> str:
    return str(function.__name__).replace("_", "-")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
