"""HYD102."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from gonogo.analysis.interpreter.composing import ConfigSource
from gonogo.analysis.interpreter.trace import Process, Site, Trace
from gonogo.analysis.project.config_places import ConfigPlaces
from gonogo.compose.client import Composition
from gonogo.model.contract import Contract, Scope
from gonogo.model.experiment import Experiment
from gonogo.model.finding import Certainty, Location, Related, Severity, Stage
from gonogo.model.runs import Run
from gonogo.rules.base import Edit, Tree, Violation, at, rule
from gonogo.rules.hydra.override_not_in_config import place_of_override

SEARCH_PATH = "hydra.searchpath"


@rule(
    "HYD102",
    "run-does-not-compose",
    criterion=2,
    severity=Severity.ERROR,
    stage=Stage.COMPOSE,
    scope=Scope.HYDRA,
    certainty=Certainty.PROVEN,
    settles=("composition",),
)
def run_does_not_compose(
    traces: list[Trace], config_source: ConfigSource, config_places: ConfigPlaces, experiment: Experiment, contract: Contract
) -> Iterator[Violation]:
    """Hydra can't compose the config of a run.

    What it does:
        Lets Hydra compose the config of every run with the overrides of the documented command, and reports Hydra's own message.

    Why it matters:
        The program ends before its first line of own code runs, whatever that code is worth.

    Instead:
        Give the shared config a defaults list with a `run` group (`- run: ???`), and every run a file of that group which Hydra can merge.
    """
    if contract.scope is not Scope.RUNS:
        yield from _of_one_folder(_of_entry_points(traces, config_places, experiment))
        return
    if _has_unparsable(experiment):
        return  # IMP103 has the cause
    for trace in traces:
        for process in trace.processes:
            composition = _failure(process, config_source)
            if composition is None or composition.config_name is None or "rimary config" in composition.message:
                continue  # HYD101 says that the config is not named, or not where it is looked for
            first, *rest = composition.message.splitlines() or [composition.error]
            location = _place(composition, config_places)
            yield Violation(
                location,
                f"Hydra can't compose this run: {_without_id(first, trace.run_id)}",
                _advice(composition, config_places, contract),
                runs=(trace.run_id,),
                evidence="\n".join([f"{process.module} {' '.join(composition.overrides)}", first, *rest[:6]]),
            )
            break


def _of_one_folder(faults: Iterator[Violation]) -> Iterator[Violation]:
    """Group entry points whose primary config is missing in the same folder into one fault.

    The configs were left out of the tree, or the programs are leftovers.
    """
    found: dict[object, list[Violation]] = {}
    for fault in faults:
        where = re.search(r"provider=main, path=(.*)|config directory '(.*)' exists", fault.evidence, re.MULTILINE)
        is_primary = where is not None and "rimary config" in fault.message
        found.setdefault((where[1] or where[2]) if where is not None and is_primary else id(fault), []).append(fault)
    for first, *others in found.values():
        more = f" So do {len(others)} more of the entry points." if others else ""
        related = tuple(Related(location=other.location, label="here too") for other in others)
        runs = tuple(dict.fromkeys(run for fault in (first, *others) for run in fault.runs))
        yield replace(first, message=first.message + more, related=(*first.related, *related), runs=runs)


def _of_entry_points(traces: list[Trace], places: ConfigPlaces, experiment: Experiment) -> Iterator[Violation]:
    """What the entry points of a project can't compose, where that is surely the project's fault."""
    for trace in traces:
        for process in trace.processes:
            for site, composition in process.compositions:
                if composition.ok or composition.unsure or _has_unparsable(experiment, composition.config_path):
                    continue
                first, *rest = composition.message.splitlines() or [composition.error]
                place = _place_of_override(site, composition) or _place_in_project(composition, places.runs.get(trace.run_id), experiment)
                yield Violation(
                    place or site.module.location(site.node),
                    f"Hydra can't compose this: {first}",
                    "make the config compose, or take it out",
                    runs=(trace.run_id,),
                    evidence="\n".join([f"{process.module} {' '.join(composition.overrides)}".strip(), first, *rest[:6]]),
                )


def _place_of_override(site: Site, composition: Composition) -> Location | None:
    """Return where the code that composes by itself writes the override that Hydra fails on.

    None if it fails on something else.
    """
    named = re.search(
        r"Could not (?:find|load|override|append to|delete)[^']*'([^']+)'|Key '([^']+)' is not in struct", composition.message
    )
    if named is None or not isinstance(site.node, ast.Call):
        return None
    for override in composition.overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if named[1] in (key, f"{key}/{value}") or named[2] == key.rpartition(".")[2]:
            words = [each for each in ast.walk(site.node) if isinstance(each, ast.Constant) and each.value == override]
            return site.module.location(words[0]) if words else place_of_override(site.module, key)
    return None


def _has_unparsable(experiment: Experiment, folder: str = "") -> bool:
    """Whether a YAML file of a config folder does not parse or was not read, of which IMP103 speaks."""
    prefix = "" if folder in ("", ".") else f"{folder}/"
    return any(experiment.yaml_fault(path) for path in experiment.files if path.endswith((".yaml", ".yml")) and path.startswith(prefix))


def _place_in_project(composition: Composition, run: Run | None, experiment: Experiment) -> Location | None:
    """Return the entry of a defaults list that Hydra fails on.

    It is in the run's own file or in the one that Hydra names. None if it names none.
    """
    named = re.search(r"In '([^']+)'", composition.message)
    stem = f"{composition.config_path}/{named[1] if named is not None else composition.config_name}".removesuffix(".yaml")
    path = next((stem + suffix for suffix in (".yaml", ".yml") if stem + suffix in experiment.files), None)
    missing = re.search(r"Could not (?:find|load|override) '([^']+)'", composition.message)
    for candidate in (run.path if run is not None else None, path):
        line = _line_of_default(experiment, candidate, missing[1]) if candidate is not None and missing is not None else None
        if line is not None and candidate is not None:
            return at(candidate, line)
    place = experiment.yaml(path).places.get(("defaults",)) if path is not None else None
    return at(path, place.line if place else None) if path is not None else None


def _line_of_default(experiment: Experiment, path: str, name: str) -> int | None:
    """The line where a file's defaults list names a config or a group."""
    document = experiment.yaml(path)
    defaults = document.get(("defaults",), [])
    for index, entry in enumerate(defaults if isinstance(defaults, list) else []):
        pairs = entry.items() if isinstance(entry, dict) else [(str(entry), None)]
        words = {part for key, value in pairs for part in (str(key).split(" ")[-1], f"{str(key).split(' ')[-1]}/{value}")}
        if name in {word.lstrip("/") for word in words}:
            place = document.places.get(("defaults", index))
            return place.line if place else None
    return None


def _failure(process: Process, config_source: ConfigSource) -> Composition | None:
    """Return the composition that failed for a reason that is in no single key.

    It is the run's own override, or the config as it stands.
    """
    failed = [composition for _, composition in process.compositions if not composition.ok]
    if not failed:
        return None
    for override, composition in process.failing:
        if process.run_lost and not config_source.grammar_fault(override):
            return composition
    return None if process.failing else failed[0]


def _advice(composition: Composition, places: ConfigPlaces, contract: Contract) -> str:
    """Return what to change.

    Both are named where the command selects another group than the defaults list, or than the folder is of.
    """
    general = "make the config compose for every run of the plan"
    interpolated = re.search(r"Error resolving interpolation '(\$\{[^']+\})'", composition.message)
    if interpolated is not None:
        return _no_interpolation(interpolated[1], places, contract)
    command = next(iter(contract.commands.values()), None)
    words = [word.partition("=") for word in command.overrides] if command is not None else []
    group = next((key for key, _, value in words if value == "{run_id}"), None)
    asked = re.search(r"You must specify '([^']+)'|Could not override '([^']+)'", composition.message)
    folders = sorted({posixpath.dirname(run.path) for run in places.runs.values() if run.path and not run.from_plan})
    if group is None or asked is None or (asked[1] or asked[2]).partition("@")[0] not in {group, *map(posixpath.basename, folders)}:
        return general
    home = f"{contract.hydra.config_dir}/{group}"
    if home in folders:
        return f"give the shared config a defaults list with `- {group}: ???`, which takes the run's file from `{home}`"
    if not folders:
        return general
    return (
        f"the command selects `{group}=<run id>`, but the run configs lie in `{folders[0]}`: move them to `{home}` and let the defaults "
        f"list say `- {group}: ???`, or give the shared config a key `{group}: null` and load `{folders[0]}/<run id>.yaml` in the code"
    )


def _no_interpolation(text: str, places: ConfigPlaces, contract: Contract) -> str:
    """What to write in the place of a defaults list's interpolation.

    It sees the choices of groups in the same list and nothing else.
    """
    why = "a defaults list is read before the config has any values: it can interpolate the choice of another group in it, but no key"
    words = [word.partition("=") for command in contract.commands.values() for word in command.overrides]
    group = next((key for key, _, value in words if value == "{run_id}"), None)
    folders = sorted({posixpath.dirname(run.path) for run in places.runs.values() if run.path and not run.from_plan})
    if group is None or text.strip("${}") != group or len(folders) != 1:
        return f"{why}. Name what `{text}` should be, or `???` for what the command gives"
    home = f"{contract.hydra.config_dir}/{group}"
    moved = "" if folders[0] == home else f", move the run configs from `{folders[0]}` to `{home}`,"
    return f"{why}. Write `- {group}: ???`{moved} and take the key `{group}` out of the shared config"


def _without_id(message: str, run_id: str) -> str:
    return message.replace(run_id, "<run id>")


def _place(composition: Composition, places: ConfigPlaces) -> Location:
    """The defaults entry that Hydra's message names, else the defaults list, else the shared config."""
    shared = places.shared
    named = re.findall(r"'([^']+)'", composition.message)
    defaults = shared.get(("defaults",), [])
    for index, entry in enumerate(defaults if isinstance(defaults, list) else []):
        words = (
            [str(entry)]
            if not isinstance(entry, dict)
            else [part for key, value in entry.items() for part in (str(key).split(" ")[-1], f"{key}/{value}")]
        )
        if any(name == str(value) for value in (entry.values() if isinstance(entry, dict) else [entry]) for name in named) or any(
            word == name or name.startswith(word + "/") for word in words for name in named
        ):
            place = shared.places.get(("defaults", index))
            if place:
                return Location(
                    path=places.shared_path, line=place.line, column=place.column, end_line=place.line, end_column=place.end_column
                )
    place = shared.places.get(("hydra", "searchpath") if SEARCH_PATH in composition.message else ("defaults",))
    return at(places.shared_path, place.line if place else None)


BAD = [
    Tree({"config/config.yaml": Edit("defaults:\n  - _self_\n  - run: ???", "defaults:  # <- here\n  - _self_")}),
    Tree({"config/config.yaml": Edit("  - run: ???", "  - run: ???\n  - scheduler: cosine  # <- here")}),
    Tree(
        {
            "config/config.yaml": Edit(
                "trial_mode: false", "hydra:\n  searchpath:  # <- here\n    - file://${hydra:runtime.cwd}/config\n\ntrial_mode: false"
            )
        }
    ),
]
GOOD = Tree({"config/config.yaml": Edit("  - run: ???", "  - run: null")})
