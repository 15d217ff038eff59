"""Where a finding stands that is about something missing."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from gonogo.analysis.python.modules import Module
from gonogo.model.contract import Contract, module_path
from gonogo.model.finding import Location
from gonogo.rules.base import at


def training_place(modules: Mapping[str, Module], contract: Contract) -> Location:
    """Where what the training lacks belongs: the training module, at its main function if it has one."""
    paths = [module_path(contract.training.module), *contract.entry_paths()]
    path = next((path for path in paths if path in modules), paths[0])
    return main_place(modules, path)


def main_place(modules: Mapping[str, Module], path: str) -> Location:
    """A module's main function, else the module as a whole."""
    module = modules.get(path)
    definition = module.definitions.get("main") if module is not None else None
    return at(path, definition.lineno if isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)) else None)
