"""The commands that installing a project brings, and the modules that they start."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gonogo.analysis.python.modules import Module
from gonogo.documents.toml import parse_toml
from gonogo.model.experiment import Experiment

_ENTRY = re.compile(r"""(?<![\w.-])([\w.-]+)[ \t]*=[ \t]*([\w.]+):(\w+)""")


def console_scripts(experiment: Experiment, modules: Mapping[str, Module]) -> dict[str, str]:
    """By the command's name, the path of the module that its function is in."""
    table = parse_toml(experiment.text("pyproject.toml") or "").table
    found: dict[str, str] = {}
    poetry = table.get("tool", {}).get("poetry", {}) if isinstance(table.get("tool"), dict) else {}
    for section in (table.get("project"), poetry):
        scripts = section.get("scripts") if isinstance(section, dict) else None
        for name, target in scripts.items() if isinstance(scripts, dict) else ():
            if isinstance(target, str):
                found[str(name)] = target.partition(":")[0]
    for path in ("setup.py", "setup.cfg"):
        text = experiment.text(path) or ""
        if "console_scripts" in text:
            found |= {name: module for name, module, _ in _ENTRY.findall(text.partition("console_scripts")[2])}
    by_name = {module.name: path for path, module in modules.items()}
    ends = {name: [path for known, path in by_name.items() if known == name or known.endswith(f".{name}")] for name in found.values()}
    return {name: ends[module][0] for name, module in found.items() if len(ends[module]) == 1}
