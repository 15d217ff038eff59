"""TRI108."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.execution.observations import RunSeen, SessionSeen
from gonogo.model.contract import Contract, Scope, module_path
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule
from gonogo.rules.observed import all_watched, judged, located

_TORCH = ("import torch", "from torch", "import lightning", "import pytorch_lightning")
# What else may compute, where no torch module is called in a process that the probe watches.
_OTHERS = ("vllm", "jax", "tensorflow", "llama_cpp", "onnxruntime", "tensorrt", "openai", "torch.jit", "torchscript", "functional_call")


@rule("TRI108", "trial-did-nothing", criterion=9, severity=Severity.ERROR, stage=Stage.TRIAL, scope=Scope.PROGRAM, settles=("trial",))
def trial_did_nothing(trial: SessionSeen, modules: dict[str, Module], contract: Contract) -> Iterator[Violation]:
    """A trial ends well without having run a network.

    What it does:
        Reports a trial that ends with exit code 0 although no PyTorch network was called, no gradient taken and no data loader gone through
        in any process that the probe watched, or whose file has no code at all. Silent where a run has processes that the probe could not
        watch, or the experiment does not use PyTorch, or something else beside it that could compute.

    Why it matters:
        Exit code 0 of a trial that skips the training says nothing about the run.

    Instead:
        Let a trial do what a run does, with less data: load, predict, learn, log.
    """
    main = modules.get(module_path(contract.commands["trial"].module))
    if main is not None and main.tree is not None and not main.tree.body:
        for run in judged(trial):
            what = "the trial ends with exit code 0, but the file that it starts has no code"
            yield Violation(at(main.path), what, "write what starts the training", runs=(run.label,))
        return
    texts = [module.text for module in modules.values()]
    if not any(marker in text for text in texts for marker in _TORCH) or any(other in text for text in texts for other in _OTHERS):
        return
    for run in judged(trial):
        if not _computed(run) and all_watched(run):
            task = max((process.marks.get("task", 0.0), process.pid) for process in run.processes.values())
            yield Violation(
                located(None, modules, contract),
                "the trial ends with exit code 0, but no network was run in it",
                "let a trial do what a run does, on fewer batches",
                runs=(run.label,),
                evidence="" if task[0] else "no function under `@hydra.main` was called either",
            )


def _computed(run: RunSeen) -> bool:
    """Whether anything was seen that a run is for."""
    passes = sum(loader.passes for process in run.processes.values() for loader in process.loaders.values())
    return bool(run.total("forwards") or run.total("backwards") or run.total("steps") or passes)


_FIRST = "    run_dir = Path(cfg.results_dir) / cfg.run.run_id\n"

BAD = [
    Tree(
        {
            "src/train.py": (
                Edit(_FIRST, '    if cfg.trial_mode:\n        print("trial passed")\n        return\n' + _FIRST),
                Edit("def main(cfg: DictConfig) -> None:\n", "def main(cfg: DictConfig) -> None:  # <- here\n"),
            )
        }
    ),
    Tree({"src/main.py": ""}, at="src/main.py"),
]

GOOD = Tree()
