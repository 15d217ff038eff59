"""EVA123."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.sources.resolve import Sources
from gonogo.analysis.tracking.run_files import AskedFile, may_upload
from gonogo.analysis.tracking.wandb_runs import training_modules
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("EVA123", "run-file-missing", criterion=8, severity=Severity.ERROR, stage=Stage.CHECK, settles=("evaluation",))
def run_file_missing(asked_files: list[AskedFile], modules: dict[str, Module], sources: Sources, contract: Contract) -> Iterator[Violation]:
    """Evaluation asks a W&B run for a file that training never uploads.

    What it does:
        Looks for files that evaluation asks a run for by their names, and for what training saves to W&B. Silent where a file may be
        uploaded in some way that no text shows, and for the files that the client uploads of its own.

    Why it matters:
        A file that training leaves on its own disk is not at W&B: the evaluation ends in an error, or goes on without what is in it.

    Instead:
        Give the file to `wandb.save` in training, or log what is in it.
    """
    training = training_modules(modules, contract)
    told: set[str] = set()
    for asked in asked_files:
        if asked.name not in told and not may_upload(sources, training, asked.name):
            told.add(asked.name)
            yield Violation(
                asked.module.location(asked.node),
                f"evaluation asks the run at W&B for its file `{asked.name}`, which training never uploads",
                "give the file to `wandb.save` in training, or log what is in it",
            )


_TABLE = "    history = pd.DataFrame(list(run.scan_history()))\n"
_FINISH = "    run.finish()\n"
BAD = [
    Tree({"src/evaluate.py": Edit(_TABLE, f'{_TABLE}    run.file("answers.json").download()  # <- here\n')}),
    Tree(
        {"src/evaluate.py": Edit(_TABLE, f'{_TABLE}    print([file for file in run.files() if file.name == "answers.json"])  # <- here\n')}
    ),
]
GOOD = [
    Tree({"src/evaluate.py": Edit(_TABLE, f'{_TABLE}    run.file("wandb-summary.json").download()\n')}),
    Tree(
        {
            "src/evaluate.py": Edit(_TABLE, f'{_TABLE}    run.file("answers.json").download()\n'),
            "src/train.py": Edit(_FINISH, '    wandb.save(str(run_dir / "answers.json"))\n' + _FINISH),
        }
    ),
]
