"""WDB105."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gonogo.analysis.interpreter.trace import Trace
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule

# Observed with the W&B client 0.29 to 0.31: `Settings.validate_run_id` refuses these, and an id that begins or ends with white space.
REFUSED = re.compile(r"[:;,#?/']|^\s|\s$|^$")
# The client's own documentation of `wandb.init` says that these must not be used either; they break links and folder names.
UNWISE = re.compile(r"[\\%]")
LONGEST = 128


@rule("WDB105", "bad-run-id", criterion=6, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("tracking",))
def bad_run_id(traces: list[Trace]) -> Iterator[Violation]:
    """W&B refuses the id that a run is begun under.

    What it does:
        Follows each run to `wandb.init` and looks at the value that its `id` has there. The characters `: ; , # ? / '`
        and white space at either end are refused by the client; a backslash, a percent sign and more than 128 characters
        are a warning.

    Why it matters:
        The run ends at `wandb.init`, after the data and the model have been loaded; in a trial, where W&B is off, nothing
        of it shows.

    Instead:
        Use letters, digits, `.`, `_` and `-` in run ids, and the title for people as `name`.
    """
    for trace in traces:
        for call in trace.calls:
            value = call.constant("id") if call.name == "wandb.init" else None
            if not isinstance(value, str):
                continue
            place = call.site.module.location(call.site.node)
            action = "name the run without these characters, in the plan, in its file and in `run_id`"
            refused = REFUSED.search(value)
            if refused:
                problem = f"W&B refuses the id that the run is begun under ({_said(refused)})"
                yield Violation(place, problem, action, runs=(trace.run_id,), evidence=value)
            elif UNWISE.search(value) or len(value) > LONGEST:
                problem = "the id that the run is begun under is long, or has a character that breaks links"
                yield Violation(place, problem, action, runs=(trace.run_id,), evidence=value, severity=Severity.WARNING)


def _said(found: re.Match[str]) -> str:
    if not found[0]:
        return "it is empty"
    return "white space at its end" if found[0].isspace() else f"the character `{found[0]}`"


BAD = Tree(
    {
        "src/train.py": (
            Edit("        id=cfg.run.run_id,\n", '        id=f"digits/{cfg.run.run_id}",\n'),
            Edit("    run = wandb.init(", "    run = wandb.init(  # <- here"),
        ),
        "src/evaluate.py": Edit('f"{project_path}/{run_id}"', 'f"{project_path}/digits/{run_id}"'),
    }
)
GOOD = Tree({"src/train.py": Edit("        id=cfg.run.run_id,\n", '        id=cfg.run.run_id.replace("/", "-"),\n')})
