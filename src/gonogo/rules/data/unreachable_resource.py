"""DAT107."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import SessionSeen
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.observed import located


@rule("DAT107", "unreachable-resource", criterion=3, severity=Severity.WARNING, stage=Stage.TRIAL, scope=Scope.PROGRAM, settles=("data",))
def unreachable_resource(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A dataset or model is neither in the sandbox nor known to a stand-in.

    What it does:
        Reports what the code asked a library to download in the trial, where neither a cache, nor `--data-root`, nor a stand-in has it. A
        well-known data set under another owner is taken for a copy, and reported too. It is an error where the Hugging Face hub has no
        such model: of names without an owner it has only those of its first years (`bert-base-uncased`, `gpt2`).

    Why it matters:
        The name may be wrong, or right: the gate could not see what the code does with it.

    Instead:
        Check the name; show the data with `--data-root`, or write a stand-in.
    """
    for run in trial.runs.values():
        for process in run.processes.values():
            for happened in process.unreachable:
                name, assumed = happened.name or happened.source, happened.assumed
                if happened.nowhere:
                    yield Violation(
                        located(happened.place, modules, contract),
                        f"the Hugging Face hub has no `{name}`: it has models without an owner in their name only from its first years",
                        "name a model that is there, as `owner/model`",
                        runs=(run.label,),
                        severity=Severity.ERROR,
                    )
                    continue
                stands_in = f"made-up rows like those of `{assumed}` stand in for it" if assumed else "nothing stands in for it"
                yield Violation(
                    located(happened.place, modules, contract),
                    f"`{name}` ({happened.source}) can't be had in the sandbox, and {stands_in}",
                    "check the name, and show the gate the real thing with --data-root",
                    runs=(run.label,),
                    evidence=happened.reason,
                )


_IMPORT, _DIGITS = "from sklearn.datasets import load_digits\n", "    digits = load_digits()\n"

BAD = Tree(
    {
        "src/preprocess.py": (
            Edit(_IMPORT, "from huggingface_hub import hf_hub_download\n" + _IMPORT),
            Edit(_DIGITS, '    hf_hub_download("nobody/nothing", "digits.npz")  # <- here\n' + _DIGITS),
        ),
        "pyproject.toml": Edit('    "numpy>=1.26",\n', '    "numpy>=1.26",\n    "huggingface-hub>=0.24",\n'),
    }
)

GOOD = Tree()
