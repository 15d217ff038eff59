"""The table of what libraries have, held against the libraries that are installed here."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import pkgutil
import warnings
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

import pytest

from gonogo.analysis.libraries.absent import absent_name
from gonogo.analysis.libraries.table import library_table

TABLE = json.loads(resources.files("gonogo.analysis.libraries").joinpath("objects.json").read_text())


def loaded(name: str) -> ModuleType | None:
    """A module, None where this machine lacks what it needs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except Exception:
            return None


def names_in(module: ModuleType) -> set[str]:
    """Public names: those it has now, those it lists, and its submodules."""
    listed = set(getattr(module, "__all__", ())) | {entry.name for entry in pkgutil.iter_modules(getattr(module, "__path__", []))}
    return {name for name in {*dir(module), *listed} - {"extra"} if name.isidentifier() and not name.startswith("_")}  # of pytest plug-ins


def class_of(dotted: str) -> type | None:
    """A class, None where this version has none of that name or wants it to be enabled first."""
    owner, _, name = dotted.rpartition(".")
    try:
        found = getattr(loaded(owner), name, None)
    except ImportError:
        return None
    return found if inspect.isclass(found) else None


@pytest.mark.slow
@pytest.mark.parametrize("distribution", sorted(TABLE))
def test_nothing_that_a_module_has_is_said_to_be_absent(distribution: str) -> None:
    try:
        assert version(distribution)
    except PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed: `uv sync --all-packages` installs it")
    wrong, looked = [], 0
    for name in TABLE[distribution]["modules"]:
        module = loaded(name)
        if module is not None:
            looked += 1
            found = ((entry, absent_name(f"{name}.{entry}")) for entry in names_in(module))
            wrong += [f"{name}.{entry}" for entry, absent in found if absent is not None and absent.never]
    assert looked
    assert wrong == []


@pytest.mark.parametrize("distribution", sorted(TABLE))
def test_nothing_that_a_class_has_is_said_to_be_absent(distribution: str) -> None:
    table, wrong = library_table(), []
    for name in TABLE[distribution]["classes"]:
        kind, cls = table.kind(name), class_of(name)
        if kind is None or kind.is_open or cls is None:
            continue
        # What a newer Python gave to a type of its own (`int.is_integer`, 3.12) is not the library's.
        own = [entry for entry in dir(cls) if not any(entry in vars(base) for base in cls.__mro__ if base.__module__ == "builtins")]
        wrong += [f"{name}.{entry}" for entry in own if not entry.startswith("_") and not kind.names.get(entry)]
    assert wrong == []
