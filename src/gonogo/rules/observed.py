"""What the rules on observations share: how a failure is told, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from gonogo.analysis.python.modules import Module
from gonogo.execution.causes import excuse
from gonogo.execution.observations import Process, RunSeen, SessionSeen
from gonogo.execution.probe.gonogo_probe.events import Place, Raised
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Location, Related
from gonogo.rules.base import Violation, at
from gonogo.rules.places import main_place

_SANDBOX = re.compile(r"/\S{0,200}?gonogo-box-\w+/(?:tree|tmp/gonogo/scratch|tmp|home)/?")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# A frame of a traceback: its place, then its line of code and perhaps the marks below it.
_PROBE_FRAME = re.compile(r'^[ \t]*File "[^"\n]*/gonogo_probe/[^\n]*\n(?:    [ \t]*(?!File ")[^\n]*\n?)*', re.MULTILINE)
_RUNNER_FRAME = re.compile(r'^[ \t]*File "<frozen runpy>", line \d+, in _run_(?:module_as_main|code)\n', re.MULTILINE)
_PROBE_WARNS = re.compile(r"^\S*/gonogo_probe/\S+:\d+: (?=\w+Warning)", re.MULTILINE)
_OF_A_CHILD = ("SystemExit", "CalledProcessError", "ChildFailedError")  # what a program raises where one that it started has failed
_ADVICE = "Set the environment variable HYDRA_FULL_ERROR"
MOST_MESSAGE = 300
MOST_SAID = 200  # lines
MOST_LINES = 12


def cleaned(text: str) -> str:
    """Return a text of a run without what is specific to the sandbox.

    Removed are the sandbox's folders, which differ each time, escape codes, and frames of the probe.
    """
    return _SANDBOX.sub("", _PROBE_WARNS.sub("", _PROBE_FRAME.sub("", _RUNNER_FRAME.sub("", _ESCAPES.sub("", text)))))


def located(place: Place | None, modules: Mapping[str, Module], contract: Contract) -> Location:
    """A place that was seen, as a location; the main function of the training where there is none."""
    if place is not None and place[0] in modules:
        return at(place[0], place[1])
    return main_place(modules, module_path(contract.training.module))


def judged(session: SessionSeen) -> Iterator[RunSeen]:
    """The runs that ended well: what others did not do, they may have had no chance to do."""
    return (run for run in session.runs.values() if run.ok)


def processes(run: RunSeen) -> list[Process]:
    """A run's processes that ran the experiment's own code, as far as they were watched."""
    return list(run.processes.values())


#: A word of a command that is Python itself, not only a file in a folder of Python's, such as wandb's own program.
_PYTHON = re.compile(r"(?:^|[\s'\"/\\])python[\d.]*(?:\.exe)?(?=$|[\s'\"])", re.IGNORECASE)


def _is_python(command: str) -> bool:
    return _PYTHON.search(command) is not None


def all_watched(run: RunSeen) -> bool:
    """Whether every Python that was started was watched to its end."""
    seen = list(run.processes.values())
    started = sum(_is_python(child.command) for process in seen for child in process.children)
    return bool(seen) and len(seen) >= started + 1 and all(process.ended is not None for process in seen)


def trained(run: RunSeen) -> Iterator[Process]:
    """The processes in which a network ran."""
    return (process for process in run.processes.values() if process.counts.get("forwards", 0))


def logged_at(run: RunSeen, key: str) -> Place | None:
    """Where a run logs a key."""
    found = [process.logged[name] for process in run.processes.values() for name in (key, f"summary:{key}") if name in process.logged]
    return found[0].place if found else None


def network_at(run: RunSeen, name: str) -> Place | None:
    """Where the last network of a class ran first."""
    ran = [network for process in run.processes.values() for network in process.networks if network.name == name]
    return ran[-1].place if ran else None


def failures(runs: Iterable[RunSeen], modules: Mapping[str, Module], contract: Contract, module: str) -> Iterator[Violation]:
    """Yield what made runs fail, at the experiment's own line.

    Nothing is reported where it may not be the experiment's fault.

    Args:
        runs: the runs.
        modules: the experiment's modules.
        contract: its contract.
        module: the module that was started, where nothing tells the line.
    """
    for run in runs:
        if run.ok or not run.ended:
            continue
        chain = run.failure()
        if run.late or excuse(chain, run, modules):
            continue
        if chain is None or all(raised.place is None for raised in chain):
            yield _failed_somewhere(run, chain, modules, module)
            continue
        yield _failed_at(run, chain, modules, contract)


def _failed_somewhere(run: RunSeen, chain: list[Raised] | None, modules: Mapping[str, Module], module: str) -> Violation:
    how = f"it ends with exit code {run.code}" if run.code is not None else f"signal {run.signal} ends it"
    if chain:
        how = f"it ends with {_told(chain[0])}"
    return Violation(
        main_place(modules, module_path(module)),
        f"{how}",
        "see what it says last, and mend that",
        runs=(run.label,),
        evidence=cleaned(run.last_lines(MOST_LINES)),
    )


def _failed_at(run: RunSeen, chain: list[Raised], modules: Mapping[str, Module], contract: Contract) -> Violation:
    """The exception nearest to the cause: where code caught one and raised another, both are told."""
    first = next((raised for raised in reversed(chain) if raised.place is not None), chain[0])
    last = next((raised for raised in chain if raised.place is not None), chain[0])
    shown = last if last.type != "SystemExit" else first
    related = tuple(
        Related(location=at(path, line), label=f"called in `{function}`")
        for path, line, function in reversed(shown.frames[:-1][-3:])
        if path in modules
    )
    other = first if shown is not first else None
    cause = f", from {_told(other)}" if other is not None and _told(other) not in _told(shown) else ""
    said = _of_children(run)
    if said and not cause and shown.type in _OF_A_CHILD:
        cause = f", after a program that it started had said: {' '.join(said[-1].split())[:MOST_MESSAGE]}"
    return Violation(
        located(shown.place, modules, contract),
        f"it ends with {_told(shown)}{cause}",
        "mend this line, or what leads to it",
        related=related,
        runs=(run.label,),
        evidence="\n".join(said[-MOST_LINES:]) or cleaned(run.last_lines(MOST_LINES)),
    )


def _of_children(run: RunSeen) -> list[str]:
    """Return the output lines of the programs that a run started.

    They are given where the process that started them failed because of one; empty where it did not.
    """
    starters = (process for process in run.processes.values() if process.children and process.failures)
    raised = [kind for process in starters if (kind := process.failures[-1][0].type) in _OF_A_CHILD]
    if not raised:
        return []
    ends_quietly = raised[0] == "SystemExit"  # else its own traceback comes last
    lines = [line for line in cleaned(run.last_lines(MOST_SAID)).splitlines() if line.strip() and not line.startswith(_ADVICE)]
    own = [] if ends_quietly else [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not own:
        return lines
    before = lines[: own[-1]]
    return before[:-1] if before and before[-1].startswith("Error executing job") else before


def _told(raised: Raised) -> str:
    message = " ".join(cleaned(raised.message).split())
    if len(message) > MOST_MESSAGE:
        message = message[:MOST_MESSAGE] + " …"
    return f"{raised.type}: {message}" if message else raised.type
