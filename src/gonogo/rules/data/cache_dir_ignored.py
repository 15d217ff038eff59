"""DAT101."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from gonogo.analysis.python.files import file_uses
from gonogo.analysis.python.modules import Function, Module, without_docstring
from gonogo.analysis.python.names import ancestors, argument, calls, enclosing_function, functions, origin, reached
from gonogo.analysis.python.paths import PathReader
from gonogo.analysis.training.downloads import Download, downloads, keys_of_hub_names, torchvision_weights
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule

PARAMETER = re.compile(r"^(?:data_?|model_?|hf_?|dataset_?)?cache(?:_?(?:dir|directory|path|root|folder))?$")
FOLDER = ".cache"
OTHER_CACHES = frozenset({"TORCH_HOME", "HF_HOME", "TRANSFORMERS_CACHE"})


@rule("DAT101", "cache-dir-ignored", criterion=3, severity=Severity.ERROR, stage=Stage.CHECK, settles=("data",))
def cache_dir_ignored(experiment: Experiment, modules: dict[str, Module], runs: list[Run]) -> Iterator[Violation]:
    """Data or weights are not kept in `.cache/`.

    What it does:
        Looks for a function that is given a cache folder and never uses it (a warning if it loads nothing), and for
        downloads through the well-known libraries that name no folder, or literally another one; what is loaded is on the hub where its
        name says so, or that of the setting, or the value of the setting in all run configs. A folder that is a variable, and a project
        that sets the library's own variable (`HF_HOME`, `TORCH_HOME` …), are left alone. A warning where the function that downloads
        writes what it makes of it into a cache of the project's own.

    Why it matters:
        What is downloaded goes into the home folder of a machine that is thrown away. Every run downloads it again, and
        fails where there is no network.

    Instead:
        Hand the cache folder on to the call that downloads.
    """
    yield from _unused_parameters(modules)
    configs = "\n".join(file.text or "" for file in experiment.with_suffix(".yaml", ".yml"))
    settings = configs + "\n".join(file.text or "" for file in experiment.with_suffix(".py", ".toml"))
    documents = [run.document for run in runs]
    folders = {parent for path in experiment.files for parent in (path, path.partition("/")[0])}
    hub_keys = keys_of_hub_names(({path: document.get(path) for path in document.leaves} for document in documents), folders)
    for module in modules.values():
        for download in (*downloads(module, hub_keys), *torchvision_weights(module)):
            problem = _problem(download)
            if problem and _is_wanted(download, configs) and not any(re.search(name, settings) for name in download.variables):
                ways = [f"give the call `{download.keyword}`"] if download.keyword else []
                ways += [f"set `{name}` before it" for name in download.variables[:1]]
                related = tuple(_vain_settings(modules, download))
                action = f"keep it in `{FOLDER}/`: {', or '.join(ways)}"
                severity = Severity.WARNING if _is_kept(module, download.node) else None
                yield Violation(module.location(download.node), problem, action, related=related, severity=severity)


def _is_kept(module: Module, node: ast.AST) -> bool:
    """Whether the function that downloads writes what it makes of it into a cache of the project's own."""
    function = enclosing_function(module, node)
    if function is None or not any("cache" in entry.id for entry in ast.walk(function) if isinstance(entry, ast.Name)):
        return False
    return any(use.writes and function in ancestors(module, use.node) for use in file_uses(module, PathReader(module, None)))


def _vain_settings(modules: dict[str, Module], download: Download) -> Iterator[Related]:
    """Where the cache of another library is set, which means nothing to this one."""
    for module in modules.values():
        for node in module.of(ast.Constant):
            if isinstance(node.value, str) and node.value in OTHER_CACHES and node.value not in download.variables:
                yield Related(location=module.location(node), label=f"`{node.value}` means nothing to `{download.name}`")
                break


def _unused_parameters(modules: dict[str, Module]) -> Iterator[Violation]:
    for module in modules.values():
        for function in functions(module):
            parameter = _ignored_parameter(function)
            if parameter is not None and _is_given(module, function, parameter, modules):
                yield Violation(
                    module.location(parameter),
                    f"`{function.name}` is given `{parameter.arg}` and never uses it",
                    f"keep what the function loads in `{parameter.arg}`, or read it from there",
                    severity=None if _loads(module, function, modules) else Severity.WARNING,
                )


def _ignored_parameter(function: Function) -> ast.arg | None:
    """The cache parameter that a real function body never mentions."""
    body = without_docstring(function.body)
    if len(body) <= 1 and all(isinstance(entry, (ast.Pass, ast.Raise, ast.Expr)) for entry in body):
        return None
    parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    found = next((entry for entry in parameters if PARAMETER.match(entry.arg)), None)
    if found is None:
        return None
    used = {entry.id for part in body for entry in ast.walk(part) if isinstance(entry, ast.Name)}
    return None if used & {found.arg, "locals", "vars", "super"} else found


def _loads(module: Module, function: Function, modules: Mapping[str, Module]) -> bool:
    """Whether a function, or what it mentions, reads files or downloads."""
    definitions = reached(modules, [(module, function)])
    for owner in {owner for owner, _ in definitions}:
        inside = {definition for other, definition in definitions if other is owner}
        nodes = [download.node for download in downloads(owner)]
        nodes += [use.node for use in file_uses(owner, PathReader(owner, None)) if not use.writes]
        if any(not inside.isdisjoint(ancestors(owner, node)) for node in nodes):
            return True
    return False


def _is_given(module: Module, function: Function, parameter: ast.arg, modules: Mapping[str, Module]) -> bool:
    """Return whether some call in the project passes the parameter.

    Methods are not searched, since they may be made for others.
    """
    if module.parents.get(function) is not module.tree or function.decorator_list:
        return False
    names = [entry.arg for entry in (*function.args.posonlyargs, *function.args.args)]
    index = names.index(parameter.arg) if parameter.arg in names else None
    target = f"{module.name}.{function.name}"
    return any(
        origin(other, call.func) == target and argument(call, index, parameter.arg) is not None
        for other in modules.values()
        for call in calls(other)
    )


def _is_wanted(download: Download, configs: str) -> bool:
    """Return whether the download happens.

    If it depends on a setting, some config must switch that on and none off.
    """
    values = re.findall(rf"^\s*{download.condition}:\s*(\w+)", configs, re.MULTILINE)
    return download.condition is None or {value.lower() for value in values} == {"true"}


def _problem(download: Download) -> str | None:
    """What is wrong with the folder of a download; None if nothing surely is."""
    if download.folder is None:
        return f"`{download.name}` downloads without a cache folder"
    if download.literal is not None and FOLDER not in download.literal:
        return f"`{download.name}` downloads into `{download.literal}`"
    return None


BAD = [
    Tree(
        {
            "src/preprocess.py": (
                Edit(
                    "def cache_path(dataset_cfg: DictConfig) -> Path:",
                    "def cache_path(dataset_cfg: DictConfig, cache_dir: str) -> Path:  # <- here",
                ),
                Edit("return Path(dataset_cfg.cache_dir)", 'return Path("digits")'),
                Edit("cache_file = cache_path(dataset_cfg)", "cache_file = cache_path(dataset_cfg, dataset_cfg.cache_dir)"),
            )
        }
    ),
    Tree(
        {
            "src/preprocess.py": (
                Edit("import torch\n", "import torch\nfrom datasets import load_dataset\n"),
                Edit("def write_cache(", 'DIGITS = load_dataset("mnist", split="train")  # <- here\n\n\ndef write_cache('),
                Edit("    digits = load_digits()\n", "    digits = DIGITS\n"),
            )
        }
    ),
]
BAD += [  # a warning: what is made of the data is kept
    Tree(
        {
            "src/preprocess.py": (
                Edit("import torch\n", "import torch\nfrom datasets import load_dataset\n"),
                Edit("    digits = load_digits()\n", '    digits = load_dataset("mnist", split="train")  # <- here\n'),
            )
        }
    ),
]
_LOAD = "    criterion = build_criterion(cfg.run.method, cfg.run.training)\n"
_CLASS = Edit("import optuna\n", "import optuna\nfrom torchvision.models import resnet18\nfrom transformers import AutoModel\n")
_HUB = "  name: mlp\n"
_NAMED = {
    path: Edit(_HUB, f"{_HUB}  checkpoint: distilbert-base-uncased\n")
    for path in ("config/run/proposed-mlp-digits.yaml", "config/run/comparative-1-mlp-digits.yaml")
}
_BY_KEY = "    teacher = AutoModel.from_pretrained(cfg.run.model.checkpoint)"
BAD += [
    Tree({**_NAMED, "src/train.py": (_CLASS, Edit(_LOAD, f"{_LOAD}{_BY_KEY}  # <- here\n    print(teacher)\n"))}),
    Tree({"src/train.py": (_CLASS, Edit(_LOAD, f'{_LOAD}    print(resnet18(weights="IMAGENET1K_V1"))  # <- here\n'))}),
]
_LOCAL = {path: Edit(_HUB, f"{_HUB}  checkpoint: .cache/teacher\n") for path in _NAMED}
GOOD = [
    Tree(
        {
            "src/preprocess.py": (
                Edit("import torch\n", "import torch\nfrom datasets import load_dataset\n"),
                Edit("    digits = load_digits()\n", '    digits = load_dataset("mnist", split="train", cache_dir=cache_file.parent)\n'),
            )
        }
    ),
    Tree({**_LOCAL, "src/train.py": (_CLASS, Edit(_LOAD, f"{_LOAD}{_BY_KEY}\n    print(teacher)\n"))}),
    Tree({"src/train.py": (_CLASS, Edit(_LOAD, f"{_LOAD}    print(resnet18(weights=None))\n"))}),
]
