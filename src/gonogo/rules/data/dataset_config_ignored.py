"""DAT102."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import ConfigPlaces, value_at
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import all_parsed, argument, text_of
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.analysis.training.datasets import WELL_KNOWN, loads, plain, reads_otherwise
from gonogo.analysis.training.downloads import downloads
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule

KEYS = (("dataset", "name"), ("dataset", "split"), ("dataset", "subset"), ("dataset", "config"))


@rule("DAT102", "dataset-config-ignored", criterion=3, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("config-key", "data"))
def dataset_config_ignored(
    traces: list[Trace], runs: list[Run], modules: dict[str, Module], contract: Contract, config_places: ConfigPlaces
) -> Iterator[Violation]:
    """Another dataset is loaded than the run config names.

    What it does:
        Where run configs differ in `dataset.name`, `split` or `subset`, asks whether any run's value reaches the code.
        Speaks where none does and every call that loads a dataset names it as a literal text. Speaks as well where the
        run's `dataset.name` is one well-known dataset and all that the code ever loads is one other; with a warning where
        it is the corrupted form of it (`cifar10-c`, but `cifar10` is loaded): the code may make the corruptions itself, but
        they are then not the published ones.

    Why it matters:
        The runs differ in name only: the comparison of datasets is a comparison of one dataset with itself.

    Instead:
        Load what the run config names, and refuse a name that the code does not know.
    """
    others = list(_other_than_named(traces, runs, modules, contract))
    yield from others
    if others:
        return
    followed = [trace for trace in traces if trace.composition is not None]
    literal = _literal_load(training_modules(modules, contract))
    if literal is None or not followed or any(not trace.complete or trace.loads_unknown for trace in traces):
        return
    for key in KEYS:
        values: dict[str, Run] = {}
        for run in runs:
            own = next((trace for trace in followed if trace.run_id == run.id), None)
            prefix = config_places.prefix_of(run, own.composition) if own is not None else None
            if own is None or prefix is None or any(trace.is_used((*prefix, *key)) for trace in followed):
                break
            value = value_at(run.document.value, key) if isinstance(run.document.value, dict) else None
            if isinstance(value, str):
                values.setdefault(value, run)
        else:
            if len(values) > 1:
                module, call = literal
                shown = " and ".join(repr(value) for value in sorted(values)[:2])
                yield Violation(
                    module.location(call),
                    f"the runs' `{'.'.join(key)}` ({shown}) never reaches the code: all of them load this dataset",
                    f"load what `{'.'.join(key)}` names, and refuse what is not known",
                    related=tuple(Related(location=run.locate(key), label="what this run asks for") for run in values.values()),
                    runs=tuple(run.id for run in runs),
                )


def _other_than_named(traces: list[Trace], runs: list[Run], modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Runs that name one well-known dataset in a program that loads only one other."""
    training = training_modules(modules, contract)
    found = [(module, call, name) for module in training for call, name in loads(module)]
    names = {name for _, _, name in found}
    if len(names) != 1 or not all_parsed(modules) or any(trace.raised for trace in traces):
        return
    if any(reads_otherwise(module) for module in training):
        return
    module, call, loaded = found[0]
    concerned: dict[str, list[Run]] = {}
    for run in runs:
        value = run.document.get((*run.section("dataset"), "name"))
        if isinstance(value, str) and plain(value) in WELL_KNOWN and loaded in WELL_KNOWN and plain(value) != loaded:
            concerned.setdefault(value, []).append(run)
    for value, asking in concerned.items():
        corrupted = plain(value) == f"{loaded}c"
        yield Violation(
            module.location(call),
            f"the run's dataset is `{value}`, but all that is loaded is `{loaded}`",
            "load the published images, or name the run's dataset after what the code makes" if corrupted else f"load `{value}`",
            related=tuple(
                Related(location=run.locate((*run.section("dataset"), "name")), label="what this run asks for") for run in asking[:3]
            ),
            runs=tuple(run.id for run in asking),
            severity=Severity.WARNING if corrupted else None,
        )


def _literal_load(modules: list[Module]) -> tuple[Module, ast.Call] | None:
    """The place where a dataset is loaded, if every such place names it as it stands."""
    found = None
    for module in modules:
        for download in downloads(module):
            if download.name.endswith("load_dataset"):
                if text_of(argument(download.node, 0, "path")) is None:
                    return None
                found = (module, download.node)
            elif "torchvision.datasets" in download.name:
                found = (module, download.node)
    return found


REFUSAL = """    if dataset_cfg.name != "digits":
        raise ValueError(f"unknown dataset {dataset_cfg.name!r}: only 'digits' is implemented")
"""
OTHER = {"config/run/proposed-mlp-digits.yaml": Edit("  name: digits\n", "  name: mnist\n")}
ARCHIVE = """    try:
        with np.load(cache_file, allow_pickle=False) as archive:
            images = archive["images"]
            labels = archive["labels"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RuntimeError(f"the cache {cache_file} is corrupt ({error}): delete it and run again") from error
"""
DIRECT = """    cifar = torchvision.datasets.CIFAR10(cache_file.parent, train=False, download=True)
    images, labels = cifar.data, np.array(cifar.targets)
"""
TORCHVISION = Edit("import torch\n", "import torch\nimport torchvision\n")
DIGITS_REFUSED = Edit('!= "digits"', '== ""')


def _all_name(name: str) -> dict[str, Edit]:
    """Run configs that all ask for a dataset of this name."""
    return {f"config/run/{run}-mlp-digits.yaml": Edit("  name: digits\n", f"  name: {name}\n") for run in ("proposed", "comparative-1")}


BAD = [
    Tree(
        {
            **OTHER,
            "src/preprocess.py": (
                Edit("import torch\n", "import torch\nfrom datasets import load_dataset\n"),
                Edit(REFUSAL, ""),
                Edit('f"{dataset_cfg.name}-mean{mean}', 'f"mean{mean}'),
                Edit("    digits = load_digits()\n", '    digits = load_dataset("mnist", cache_dir=cache_file.parent)  # <- here\n'),
            ),
        }
    ),
    Tree(
        {
            **_all_name("svhn"),
            "src/preprocess.py": (
                TORCHVISION,
                DIGITS_REFUSED,
                Edit("    digits = load_digits()\n", "    digits = None\n"),
                Edit(ARCHIVE, DIRECT.replace("True)", "True)  # <- here")),
            ),
        }
    ),
]
GOOD = [
    Tree({**OTHER}),
    Tree(
        {
            **_all_name("cifar10-c"),
            "src/preprocess.py": (
                TORCHVISION,
                DIGITS_REFUSED,
                Edit("    digits = load_digits()\n", "    digits = torchvision.datasets.CIFAR10(cache_file.parent, download=True)\n"),
            ),
        }
    ),
]
