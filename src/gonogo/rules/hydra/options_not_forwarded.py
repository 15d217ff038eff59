"""HYD111."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.analysis.interpreter.markers import FILLER
from gonogo.analysis.interpreter.trace import Process, Trace
from gonogo.model.contract import Contract
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule


@rule("HYD111", "options-not-forwarded", criterion=2, severity=Severity.ERROR, stage=Stage.COMPOSE)
def options_not_forwarded(traces: list[Trace], contract: Contract) -> Iterator[Violation]:
    """The child process does not get an option that the user gave.

    What it does:
        Compares the documented command with the command line that the code builds for the process which trains. An option counts as
        dropped if the child composes its own config, reads the key there and was not given it.

    Why it matters:
        The child works with the default: results land in another folder, or the wrong run is trained.

    Instead:
        Hand on every override, for instance `HydraConfig.get().overrides.task`.
    """
    for trace in traces:
        given = {word.partition("=")[0] for word in contract.commands[trace.command].overrides} - {contract.trial.key}
        for process in trace.processes:
            if process.launched is None or process.open or process.arguments is None or not _composes(process):
                continue
            passed = {word.partition("=")[0].lstrip("+") for word in process.arguments}
            site = process.launched
            run_option = contract.commands[trace.command].run_option
            for key in sorted(given - passed):
                if key == run_option and any(_may_name(word, trace.run_id) for word in process.arguments):
                    continue
                if key == run_option or trace.is_used((key,)):
                    yield Violation(
                        site.module.location(site.node),
                        f"`{process.module}` is started without the option `{key}=…` that the user gave",
                        f"pass `{key}` on",
                        runs=(trace.run_id,),
                        evidence=f"{process.module} {' '.join(process.arguments)}",
                    )


def _may_name(word: str, run_id: str) -> bool:
    """Whether an argument gives the run's id under another key, or may do so."""
    value = word.partition("=")[2].strip("'\"")
    return value == run_id or FILLER in value


def _composes(process: Process) -> bool:
    return bool(process.compositions)


BAD = Tree(
    {
        "src/main.py": (
            Edit('    overrides.append(f"results_dir={quoted(cfg.results_dir)}")\n', ""),
            Edit("    subprocess.run(command, check=True)", "    subprocess.run(command, check=True)  # <- here"),
        )
    }
)
GOOD = Tree({"src/main.py": Edit("*build_overrides(cfg)]", "*HydraConfig.get().overrides.task]")})
