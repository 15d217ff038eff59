"""DAT102."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.code.config_places import ConfigPlaces, value_at
from gonogo.code.downloads import downloads
from gonogo.code.flow.trace import Trace
from gonogo.code.modules import Module
from gonogo.code.names import argument, text_of
from gonogo.code.tracking import training_modules
from gonogo.contract import Contract
from gonogo.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Fault, Tree, rule
from gonogo.runs import Run

KEYS = (("dataset", "name"), ("dataset", "split"), ("dataset", "subset"), ("dataset", "config"))


@rule("DAT102", "dataset-config-ignored", criterion=3, severity=Severity.ERROR, stage=Stage.COMPOSE)
def dataset_config_ignored(
    traces: list[Trace], runs: list[Run], modules: dict[str, Module], contract: Contract, config_places: ConfigPlaces
) -> Iterator[Fault]:
    """Runs of different datasets all load the same one.

    What it does:
        Where run configs differ in `dataset.name`, `split` or `subset`, asks whether any run's value reaches the code.
        Speaks where none does and every call that loads a dataset names it as a literal text.

    Why it matters:
        The runs differ in name only: the comparison of datasets is a comparison of one dataset with itself.

    Instead:
        Load what the run config names, and refuse a name that the code does not know.
    """
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
                yield Fault(
                    module.location(call),
                    f"the runs' `{'.'.join(key)}` ({shown}) never reaches the code: all of them load this dataset",
                    f"load what `{'.'.join(key)}` names, and refuse what is not known",
                    related=tuple(Related(location=run.locate(key), label="what this run asks for") for run in values.values()),
                    runs=tuple(run.id for run in runs),
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
BAD = Tree(
    {
        **OTHER,
        "src/preprocess.py": (
            Edit("import torch\n", "import torch\nfrom datasets import load_dataset\n"),
            Edit(REFUSAL, ""),
            Edit('f"{dataset_cfg.name}-mean{mean}', 'f"mean{mean}'),
            Edit("    digits = load_digits()\n", '    digits = load_dataset("mnist", cache_dir=cache_file.parent)  # <- here\n'),
        ),
    }
)
GOOD = Tree({**OTHER})
