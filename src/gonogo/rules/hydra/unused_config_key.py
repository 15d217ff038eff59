"""HYD105."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import combinations

from gonogo.analysis.interpreter.markers import FILE_ROOT
from gonogo.analysis.interpreter.trace import Trace
from gonogo.analysis.project.config_places import NOTHING, ConfigPlaces, nearest, paths_of, value_at
from gonogo.analysis.python.modules import Module, children
from gonogo.documents.yaml import parse_yaml
from gonogo.model.contract import Contract
from gonogo.model.finding import Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, rule
from gonogo.rules.hydra.masked_missing_key import hidden_keys, meant_elsewhere

Path = tuple[str, ...]

# Names of numbers that say how long or where a run trains, and not by which method.
_NO_METHOD = re.compile(r"^run_id$|seed|gpu|device|worker|epoch|batch_size|n_trials", re.IGNORECASE)


@rule("HYD105", "unused-config-key", criterion=2, severity=Severity.WARNING, stage=Stage.COMPOSE, settles=("config-key", "search", "model"))
def unused_config_key(
    traces: list[Trace], runs: list[Run], modules: dict[str, Module], contract: Contract, config_places: ConfigPlaces
) -> Iterator[Violation]:
    """A key of the run config that nothing reads.

    What it does:
        Asks of every key of a run config whether any run, under any documented command, reads it. Keys that code mentions which was not
        followed are left alone. It is an error where the contract calls the key or the whole section mandatory, unless the section says
        itself that it is off, and a note where the key is a label: what else is read tells the same runs apart.

    Why it matters:
        The run is then not what its config says: another checkpoint is loaded, the search never happens, a schedule is silently off.

    Instead:
        Read the key where it belongs. Only what says nothing about the method may be taken out of the run config: a key that the plan
        gives, or in which runs differ, is a part of the experiment that is missing.
    """
    followed = [trace for trace in traces if trace.composition is not None]
    if not followed or any(not trace.complete or trace.loads_unknown for trace in traces):
        return
    mentioned = _mentioned(modules, followed)
    meant = _meant_by_absent_reads(followed)
    found: dict[Path, list[Run]] = {}
    for run in runs:
        own = next((trace for trace in followed if trace.run_id == run.id), None)
        if own is not None:
            for path in _unread(run, own, followed, config_places):
                if not _excused(path, contract, mentioned, meant):
                    found.setdefault(path, []).append(run)
    shadowed = {path for path in found if any(path in trace.used for trace in followed)}
    hidden = {tuple(map(str, leaf)) for _, _, _, leaf in hidden_keys(traces, runs, config_places)}
    yield from _report(found, runs, contract, shadowed, hidden, lambda path: _has_stand_in(path, followed, config_places))


def _unread(run: Run, own: Trace, traces: list[Trace], places: ConfigPlaces) -> Iterator[Path]:
    """Leaves of a run config that no trace of any run reads, as paths in the file."""
    prefix, file = places.prefix_of(run, own.composition), (FILE_ROOT, str(run.path))
    roots = [file] if prefix is None else [prefix, file]
    if prefix is None and not any(path[:2] == file for path in own.used):
        return  # neither Hydra nor the code seems to take this file
    for leaf in run.document.leaves:
        path = tuple(map(str, leaf))
        if path[0] != "defaults" and not any(trace.is_used((*root, *path)) for trace in traces for root in roots):
            yield path


def _excused(path: Path, contract: Contract, mentioned: set[str], meant: set[str]) -> bool:
    dotted = ".".join(path)
    patterns = contract.run_config.descriptive_keys
    if any(fnmatchcase(dotted, pattern) for pattern in patterns) or path[-1] in meant:
        return True
    return path[-1] in mentioned


def _meant_by_absent_reads(traces: list[Trace]) -> set[str]:
    """Keys that an absent read was probably meant for: HYD104, HYD106 and HYD114 speak of them."""
    names: set[str] = set()
    for trace in traces:
        config = trace.config
        for access in trace.accesses:
            if access.guarded:
                masked = meant_elsewhere(access, trace, traces)
                names.update(masked[-1:] if masked else ())
                continue
            near = nearest(config, access.path)
            names.add(access.path[-1])
            if near:
                names.add(near[-1])
                names.update(path[-1] for path in paths_of(value_at(config, near)))
    return names


def _mentioned(modules: dict[str, Module], traces: list[Trace]) -> set[str]:
    """Attribute names and texts in code that no trace went through, where a key might be read after all."""
    executed = set().union(*(trace.executed for trace in traces))
    names: set[str] = set()
    for module in modules.values():
        for statement in module.nodes:
            if isinstance(statement, ast.stmt) and id(statement) not in executed and not _is_docstring(statement):
                for node in _own_nodes(statement):
                    name = node.attr if isinstance(node, ast.Attribute) else node.value if isinstance(node, ast.Constant) else None
                    if isinstance(name, str) and len(name) < 200:
                        names.update(name.replace("[", ".").replace("]", "").split("."))
    return names


def _own_nodes(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement, not those of the statements inside it."""
    pending = children(statement)
    while pending:
        node = pending.pop()
        if not isinstance(node, ast.stmt):
            yield node
            pending += children(node)


def _is_docstring(statement: ast.AST) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _has_stand_in(path: Path, traces: list[Trace], places: ConfigPlaces) -> bool:
    """Return whether an unread text that distinguishes runs is only a label.

    Then what the code reads beside it distinguishes the same runs.
    """
    runs = list(places.runs.values())
    own = [run.document.get(path) for run in runs]
    if len(set(map(str, own))) < 2 or not all(isinstance(value, str) for value in own):
        return False
    others = {other for run in runs for other in paths_of(run.document.value) if other != path and not _NO_METHOD.search(other[-1])}
    by_id = {run.id: run for run in runs}
    read = sorted(
        other for other in others if any(_is_read(other, by_id[each.run_id], each, places) for each in traces if each.run_id in by_id)
    )
    told = [tuple(_choice(value_at(run.document.value, other)) for other in read) for run in runs]
    return all(told[first] != told[second] for first, second in combinations(range(len(runs)), 2) if own[first] != own[second])


def _choice(value: object) -> object:
    """What a value says about which method it is: a text, a truth value, something or nothing.

    Of a number: whether it is zero; of a count whether it is one, too, with which samples, steps or heads are those of the plain method.
    """
    if value is NOTHING or value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return min(value, 2)
    return bool(value) if isinstance(value, float) else isinstance(value, (dict, list))


def _is_read(path: Path, run: Run, trace: Trace, places: ConfigPlaces) -> bool:
    prefix = places.prefix_of(run, trace.composition)
    return (prefix is not None and (*prefix, *path) in trace.used) or (FILE_ROOT, str(run.path), *path) in trace.used


def _report(
    found: dict[Path, list[Run]],
    runs: list[Run],
    contract: Contract,
    shadowed: set[Path],
    hidden: set[Path],
    is_label: Callable[[Path], bool],
) -> Iterator[Violation]:
    """Yield one fault for each key, or for a whole section that nobody reads.

    HYD114 reports those that a placeholder hides.
    """
    reported: set[Path] = set()
    unread: dict[str, set[Path]] = {}
    for path, concerned in found.items():
        run_id = concerned[0].id
        if run_id not in unread:
            unread[run_id] = _unread_sections(concerned[0], found)
        section = next((path[:length] for length in range(1, len(path)) if path[:length] in unread[run_id]), path)
        if section in reported or any(other[: len(section)] == section for other in hidden):
            continue
        reported.add(section)
        dotted = ".".join(section)
        run_config = contract.run_config
        is_section = section != path
        mandatory = dotted in run_config.mandatory_keys or (is_section and dotted in run_config.mandatory_sections)
        only_a_label = mandatory and not is_section and is_label(path)
        off = is_section and all(_is_off(run.document.get(section)) for run in concerned)
        first, *others = concerned
        related = tuple(Related(location=run.locate(section), label=f"also in the run config of {run.id}") for run in others[:3])
        instead = ": the code reads the shared config's own value of that name" if path in shadowed else ""
        keys = sorted(".".join(other) for other in found if other[: len(section)] == section) if is_section else []
        yield Violation(
            first.locate(section),
            f"nothing reads {'the section ' if is_section else ''}`{dotted}` of the run config{instead}",
            f"make the code honour `{dotted}`{' before it is switched on' if off else _why_not_out(section, mandatory, runs)}",
            related,
            tuple(run.id for run in concerned),
            f"unread: {', '.join(keys)}" if is_section else "",
            Severity.INFO if only_a_label else Severity.ERROR if mandatory and not off else None,
        )


def _is_off(section: object) -> bool:
    """Whether a section says itself that there is nothing to do: a search of no trials, or in no space."""
    if not isinstance(section, dict):
        return False
    return any(
        key in section and not section[key] and section[key] is not None for key in ("enabled", "n_trials", "search_space", "search_spaces")
    )


def _why_not_out(section: Path, mandatory: bool, runs: list[Run]) -> str:
    """Why a key must not just be deleted, else when it may be.

    To delete it may take a part of the method with it.
    """
    if mandatory:
        return ": the contract asks for it"
    if any(_planned(run, section) is not NOTHING for run in runs):
        return ": the plan gives it to the run, and without it a part of the experiment is missing"
    if len({repr(value_at(run.document.value, section)) for run in runs}) > 1:
        return ": it is what makes these runs differ from others, and without it they may be the same experiment"
    return ", or take it out of the run configs if it says nothing about the method"


def _planned(run: Run, path: Path) -> object:
    """What the plan's own config of a run says at a path.

    NOTHING where there is none, or it is the one that is judged.
    """
    text = run.planned.config_yaml if run.planned is not None else None
    return value_at(parse_yaml(text).value, path) if text else NOTHING


def _unread_sections(run: Run, found: dict[Path, list[Run]]) -> set[Path]:
    """The sections of a run config, of more than one key, of which no key at all is read."""
    inside: dict[Path, list[bool]] = {}
    for leaf in run.document.leaves:
        path = tuple(map(str, leaf))
        for length in range(1, len(path)):
            inside.setdefault(path[:length], []).append(path in found)
    return {section for section, unread in inside.items() if len(unread) > 1 and all(unread)}


BAD = [
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("  dropout: 0.1", "  dropout: 0.1\n  pretrained_checkpoint: mlp.pt  # <- here")}),
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("  weight_decay: 0.0001", "  weight_decay: 0.0001\n  warmup_epochs: 2  # <- here")}),
]
GOOD = [
    Tree({"config/run/proposed-mlp-digits.yaml": Edit("run_id: proposed-mlp-digits", "run_id: proposed-mlp-digits\nhardware:\n  gpus: 1")}),
]
