"""IMP121."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from gonogo.analysis.interpreter.trace import MissingChild, Trace
from gonogo.analysis.python.modules import Module
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.grouping import by_place


@rule("IMP121", "missing-child-module", criterion=1, severity=Severity.ERROR, stage=Stage.COMPOSE, settles=("missing-file", "crash"))
def missing_child_module(traces: list[Trace], modules: dict[str, Module]) -> Iterator[Violation]:
    """A child process is started with a module that is not there.

    What it does:
        Follows each run to the child processes that it starts with `python -m`, and looks their module up in the experiment. Only a module
        of a package that the experiment has is reported; any other may be installed.

    Why it matters:
        The child ends at once with "No module named", and so does the run, unless nobody looks at its exit code.

    Instead:
        Name the module that is there, or add it.
    """
    names = sorted(module.name for module in modules.values())
    yield from by_place(_violation(missing, names) for trace in traces for missing in trace.of(MissingChild))


def _violation(missing: MissingChild, names: list[str]) -> Violation:
    is_file = missing.name.endswith(".py")
    near = get_close_matches(missing.name, [f"{name.replace('.', '/')}.py" if is_file else name for name in names], n=1)
    return Violation(
        missing.site.module.location(missing.site.node),
        f"the child process is `python {'' if is_file else '-m '}{missing.name}`, and there is no such {'file' if is_file else 'module'}",
        f"write `{near[0]}`, or add the module" if near else "add the module, or correct its name",
    )


_COMMAND = '    command = [sys.executable, "-u", "-m", "src.train", *build_overrides(cfg)]\n'
_RUN = "    subprocess.run(command, check=True)\n"
_MARKED = Edit(_RUN, _RUN.replace("\n", "  # <- here\n"))
BAD = [
    Tree({"src/main.py": (Edit('"src.train", *', '"src.trainer", *'), _MARKED)}),
    Tree({"src/main.py": (Edit('"-u", "-m", "src.train", *', '"-u", "-m", f"src.{\'fit\'}", *'), _MARKED)}),
]
GOOD = [
    Tree({"src/main.py": Edit(_COMMAND, _COMMAND.replace('"-m", "src.train"', '"-m", "accelerate.commands.launch", "src/train.py"'))}),
    Tree({"src/main.py": Edit(_COMMAND, _COMMAND.replace('"src.train"', "f\"{'src'}.train\""))}),
]
