"""Why Hydra 1.3 may give another result here than where the project is usually run.

Here it has the project's files alone.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from gonogo.analysis.project.distributions import providers
from gonogo.analysis.project.left_out_by_git import LeftOut
from gonogo.analysis.project.pyproject import parse_requirement
from gonogo.analysis.project.requirement_files import requirement_texts
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import arguments_of
from gonogo.model.experiment import Experiment

# Libraries that add configs of their own, so that a config that is not in the project may still be found.
STORING = frozenset({"hydra_zen", "hydra_plugins", "hydra_configs", "hydra_torch", "nemo", "fairseq", "mmf", "lerobot", "composer"})
OLDER_HYDRA = ("0.11.3", *(f"1.0.{number}" for number in range(8)))
NEWER_HYDRA = ("1.1.0", "1.1.1", "1.1.2", "1.2.0", "1.3.0", "1.3.1", "1.3.2")
MOST_DEEP = 2  # folders
_IN_TABLE = re.compile(r"""["'](hydra[-_]core[^"'\n;#]*)["']""")
_POETRY = re.compile(r"""^hydra[-_]core\s*=\s*["']([^"'*]+)["']""", re.MULTILINE)


@dataclass(frozen=True)
class HydraDoubts:
    """What speaks against a failure to compose.

    Attributes:
        always: why none of them counts; empty if nothing speaks for that.
        stranger: an import of a library that nothing is known of, which may store configs when it is imported; empty if there is none.
        stored: texts that the code gives to `store`, which may be names of configs.
        left_out: what git leaves out of the tree; None if nothing is known of that.
        scripts: texts of the shell scripts and makefiles by path, which may write configs.
    """

    always: str = ""
    stranger: str = ""
    stored: frozenset[str] = frozenset()
    left_out: LeftOut | None = None
    scripts: Mapping[str, str] = field(default_factory=dict)

    def of_missing(self, config: str, has_group: bool) -> str:
        """Why a config that is not among the files may still be found; empty if nothing speaks for that.

        Args:
            config: its group and name.
            has_group: whether the project has files in its group.
        """
        if {config, config.rpartition("/")[2]} & self.stored:
            return f"`{config}` may be a config that code stores which was not seen to run"
        return f"{self.stranger} may bring configs of its own" if self.stranger and not has_group else ""

    def of_absent(self, path: str, is_folder: bool) -> str:
        """Return why a file or folder that is missing may exist for whoever runs the project.

        Empty if nothing suggests that.

        Args:
            path: relative to the root.
            is_folder: it is one, not a file.
        """
        if self.left_out is not None and self.left_out.has(path, is_folder):
            return f"`{path}` is not there, and `.gitignore` leaves it out: whoever runs the project makes it"
        end = re.compile(rf"(?<![\w.-]){re.escape('/'.join(path.split('/')[-2:]))}(?![\w.-])")
        script = next((name for name, text in self.scripts.items() if end.search(text)), "") if path.count("/") else ""
        return f"`{path}` is not there, and {script} speaks of it: it may make it" if script else ""


def hydra_doubts(experiment: Experiment, modules: dict[str, Module]) -> HydraDoubts:
    """What speaks against a failure to compose in a project."""
    old = old_hydra(experiment)
    if old:
        return HydraDoubts(old)
    stored: set[str] = set()
    for module in modules.values():
        if "SearchPathPlugin" in module.text:
            return HydraDoubts(f"{module.path} changes where Hydra looks for configs")
        used = {name.partition(".")[0] for name in module.imports.values()} & STORING if "hydra" in module.text else set()
        if used:
            return HydraDoubts(f"{sorted(used)[0]}, which {module.path} imports, may bring configs of its own")
        for call in module.of(ast.Call) if "ConfigStore" in module.text or ".store(" in module.text else ():
            if isinstance(call.func, ast.Attribute) and call.func.attr == "store":
                given = arguments_of(call)
                stored |= {node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return HydraDoubts("", _stranger(modules), frozenset(stored), LeftOut(experiment), _scripts(experiment))


def _scripts(experiment: Experiment) -> dict[str, str]:
    listed = experiment.with_suffix(".sh", ".bash", ".sbatch", ".slurm", "akefile", "ustfile", "Dockerfile")
    return {file.path: file.text for file in listed if file.text and ".yaml" in file.text}


def _stranger(modules: Mapping[str, Module]) -> str:
    """Return an import of a library that the tables don't know.

    One in a module that has to do with configs is preferred.
    """
    own = {part for module in modules.values() for part in module.name.split(".")}
    found: list[tuple[bool, str]] = []
    for module in modules.values():
        for entry in module.of(ast.Import, ast.ImportFrom):
            if isinstance(entry, ast.ImportFrom) and entry.level:
                continue
            names = [alias.name for alias in entry.names] if isinstance(entry, ast.Import) else [entry.module or ""]
            for top in {name.partition(".")[0] for name in names}:
                if (
                    top
                    and top not in own
                    and top not in sys.stdlib_module_names
                    and not providers(top)
                    and top not in ("hydra", "omegaconf")
                ):
                    found.append(("hydra" not in module.text, f"{top}, which {module.path} imports,"))
    return min(found)[1] if found else ""


def old_hydra(experiment: Experiment) -> str:
    """Return where the project asks for a Hydra older than 1.1, whose configs behave differently.

    Empty if it does not.
    """
    asked = [(path, text) for path, name, text in requirement_texts(experiment) if name == "hydra-core" and path.count("/") <= MOST_DEEP]
    least = min((path.count("/") for path, _ in asked), default=0)
    asked = [(path, text) for path, text in asked if path.count("/") == least]  # deeper ones are for parts of the project
    pyproject = experiment.text("pyproject.toml") or ""
    asked += [("pyproject.toml", text) for text in _IN_TABLE.findall(pyproject)]
    asked += [("pyproject.toml", f"hydra-core{_poetry(text)}") for text in _POETRY.findall(pyproject)]
    for path, text in asked:
        parsed = parse_requirement(text)
        admits = parsed.specifier.contains if parsed is not None and str(parsed.specifier) else None
        if admits is not None and any(map(admits, OLDER_HYDRA)) and not any(map(admits, NEWER_HYDRA)):
            return f"{path} asks for a Hydra older than 1.1 (`{text}`), and gonogo composes with Hydra 1.3"
    return ""


def _poetry(version: str) -> str:
    """Convert a version as Poetry writes it to PEP 508.

    `^1.0` and `1.0` keep the first part that is not zero unchanged.
    """
    plain = version.lstrip("^~")
    if not version[:1].isdigit() and version[:1] not in "^~":
        return version
    if version.startswith("^"):
        return f">={plain},<{2 if plain.startswith('1') else 1}"
    if version.startswith("~"):
        return f"~={plain}" if plain.count(".") > 1 else f"=={plain}.*"
    return f"=={plain}"
