"""EVA113."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument, calls, has_open_keywords, text_of
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("EVA113", "all-runs-compared", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def all_runs_compared(modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """Evaluation compares whatever runs the project holds instead of those it is asked about.

    What it does:
        Looks for `api.runs(…)` without filters in an evaluation that never mentions the key by which its documented command
        names the runs (`run_ids`).

    Why it matters:
        A project at W&B collects runs of other days, of failed attempts and of other people: all of them end up in the
        comparison.

    Instead:
        Read `run_ids` from the command line, and ask for each run by its id.
    """
    module = modules.get(module_path(contract.evaluation.module))
    key = next((text.partition("=")[0] for text in contract.evaluation.arguments if "{run_ids}" in text), None)
    if module is None or key is None or key in module.text:
        return
    for call in calls(module):
        is_listing = isinstance(call.func, ast.Attribute) and call.func.attr == "runs"
        if is_listing and argument(call, 1, "filters") is None and not has_open_keywords(call) and text_of(argument(call, 0, "path")) != "":
            yield Violation(
                module.location(call),
                f"evaluation takes every run of the project, and never looks at `{key}`",
                f"read `{key}` from the command line, and ask for each run by its id",
            )


PARSED = """    values = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    if len(arguments) != 2 or set(values) != {"results_dir", "run_ids"}:
        raise SystemExit(\"\"\"usage: python -m src.evaluate results_dir=<path> run_ids='["a","b"]'\"\"\")
    return Path(values["results_dir"]), json.loads(values["run_ids"])
"""
DOCSTRING = '    """Read `results_dir=<path>` and `run_ids=<JSON list>`, in either order."""\n'
FETCHED = """    runs = [fetch_run(api, f"{config.wandb.entity}/{config.wandb.project}", run_id) for run_id in run_ids]
"""
LISTED = """    project = f"{config.wandb.entity}/{config.wandb.project}"
    runs = [fetch_run(api, project, run.id) for run in api.runs(project)]  # <- here
"""
BAD = Tree(
    {
        "src/evaluate.py": (
            Edit(PARSED, '    return Path(arguments[0].removeprefix("results_dir="))\n'),
            Edit(DOCSTRING, ""),
            Edit("    results_dir, run_ids = parse_arguments", "    results_dir = parse_arguments"),
            Edit(FETCHED, LISTED),
        )
    }
)
CHOSEN = """    project = f"{config.wandb.entity}/{config.wandb.project}"
    runs = [fetch_run(api, project, run.id) for run in api.runs(project) if run.id in run_ids]
"""
GOOD = Tree({"src/evaluate.py": Edit(FETCHED, CHOSEN)})
