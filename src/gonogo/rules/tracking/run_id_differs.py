"""WDB108."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.markers import FILLER
from gonogo.analysis.interpreter.trace import Call, Trace
from gonogo.analysis.interpreter.values.text import Text
from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import argument
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.lookups import followed_lookups, lookups
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("WDB108", "run-id-differs", criterion=6, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("tracking",))
def run_id_differs(
    traces: list[Trace], modules: dict[str, Module], sources: Sources, contract: Contract, evaluation_trace: Trace | None
) -> Iterator[Violation]:
    """Training begins its run under another id than evaluation asks for.

    What it does:
        Follows each run to `wandb.init`, and holds the `id` there against the one that evaluation builds from the run id it
        is given, as it is written or as the evaluation is followed with all run ids. Silent where evaluation searches
        (`api.runs`) instead of asking for one run, where either id is not known, and where the environment (`WANDB_RUN_ID`)
        may set it.

    Why it matters:
        Evaluation ends with "could not find run", or quietly goes on without it, after all runs are done.

    Instead:
        `wandb.init(id=cfg.run.run_id, …)`, with nothing before or behind it.
    """
    module = modules.get(module_path(contract.evaluation.module))
    found = None
    if module is not None:
        found = lookups(sources, module) or followed_lookups(evaluation_trace, module, [trace.run_id for trace in traces])
    if module is None or not found or any("WANDB_RUN_ID" in other.text for other in modules.values()):
        return
    for trace in traces:
        inits = [call for call in trace.calls if call.name == "wandb.init"]
        expected = {lookup.id_of(trace.run_id) for lookup in found}
        if trace.command != "full" or not trace.complete or not inits or len(expected) != 1:
            continue
        asked = expected.pop()
        child = _given_to_child(trace, contract.run_config.identity) if asked == trace.run_id else None
        given = child[0] if child is not None else None
        told = [_told(call, asked) or (given if _reads(call, contract.run_config.identity) else None) for call in inits]
        if any(text is None for text in told):
            continue
        shown = str(told[-1]).replace(trace.run_id, "<run id>")
        yield Violation(
            inits[-1].site.module.location(inits[-1].site.node),
            f"the run is begun under {shown}, and evaluation asks for {asked.replace(trace.run_id, '<run id>')!r}",
            f"start the training with `{child[1]}` as it is, hand what is appended to it over under a key of its own, and keep all that "
            "evaluation needs of the run under this one id"
            if child is not None and all(_writes(call, contract.run_config.identity) for call in inits)
            else "begin it with `id=cfg.run.run_id` and ask for the run id, with nothing before or behind it",
            related=(
                Related(location=module.location(found[0].call), label="evaluation asks for the run here"),
                *(
                    Related(location=process.launched.module.location(process.launched.node), label="the training is started here")
                    for process in trace.processes
                    if process.launched is not None
                ),
            ),
            runs=(trace.run_id,),
            evidence=f"it is begun under {told[-1]}, and asked for by {asked!r}",
        )


def _told(call: Call, asked: str) -> str | None:
    """What the id of a run surely is if it surely is not the one that is asked for."""
    if call.open_keywords or call.arguments or "settings" in call.keywords:
        return None
    value, known = call.argument("id"), call.constant("id")
    if known is None:
        return "an id that W&B draws at random"
    if isinstance(known, str):
        return None if known == asked else f"the id {known!r}"
    if isinstance(value, Text) and not _may_be(value, asked):
        return f"an id like {value.filled('…')!r}"
    return None


def _given_to_child(trace: Trace, identity: str) -> tuple[str, str] | None:
    """Return the run id that an override passes to a child process with something appended, and its key."""
    for process in trace.processes:
        for override in process.arguments or () if process.launched is not None else ():
            key, _, value = override.partition("=")
            text = value.strip("'\"")
            if key.rpartition(".")[2] == identity and re.match(rf"{re.escape(trace.run_id)}[-_.]\w", text):
                return f"an id like {text.replace(FILLER, '…')!r}", key
    return None


def _reads(call: Call, identity: str) -> bool:
    """Whether the id is the run id of a config whose value is no longer known."""
    is_known = isinstance(call.constant("id"), str) or isinstance(call.argument("id"), Text)
    return _writes(call, identity) and not is_known


def _writes(call: Call, identity: str) -> bool:
    """Whether the code gives the run id of a config as the id, with nothing before or behind it."""
    node = call.site.node
    written = argument(node, None, "id") if isinstance(node, ast.Call) else None
    return isinstance(written, ast.Attribute) and written.attr == identity


def _may_be(text: Text, run_id: str) -> bool:
    """Whether a text with unknown stretches can be the run id: its known parts stand there in their order."""
    place = 0
    for index, part in enumerate(text.parts):
        if part is None:
            continue
        found = run_id.find(part, place)
        if found < 0 or (index == 0 and found > 0):
            return False
        place = found + len(part)
    return text.parts[-1] is None or run_id.endswith(text.parts[-1] or "")


BAD = [
    Tree(
        {
            "src/train.py": (
                Edit("        id=cfg.run.run_id,\n", '        id=f"{cfg.run.run_id}-seed{cfg.run.training.seed}",\n'),
                Edit("    run = wandb.init(", "    run = wandb.init(  # <- here"),
            )
        }
    ),
    Tree(
        {
            "src/train.py": (
                Edit("        id=cfg.run.run_id,\n", "        name=cfg.run.run_id,\n"),
                Edit("    run = wandb.init(", "    run = wandb.init(  # <- here"),
            )
        }
    ),
    Tree(
        {
            "src/train.py": Edit("    run = wandb.init(", "    run = wandb.init(  # <- here"),
            "src/evaluate.py": Edit('api.run(f"{project_path}/{run_id}")', 'api.run(f"{project_path}/{run_id}-final")'),
        }
    ),
]
GOOD = [
    Tree({"src/train.py": Edit("        id=cfg.run.run_id,\n", '        id=str(cfg["run"]["run_id"]),\n        name=cfg.run.method,\n')}),
    Tree(
        {
            "src/train.py": Edit("        id=cfg.run.run_id,\n", '        id=f"digits-{cfg.run.run_id}",\n'),
            "src/evaluate.py": Edit('api.run(f"{project_path}/{run_id}")', 'api.run(project_path + "/digits-" + run_id)'),
        }
    ),
    Tree(
        {
            "src/train.py": Edit("        id=cfg.run.run_id,\n", "        name=cfg.run.run_id,\n"),
            "src/evaluate.py": Edit(
                'run = api.run(f"{project_path}/{run_id}")', 'run = api.runs(project_path, filters={"display_name": run_id})[0]'
            ),
        }
    ),
]
