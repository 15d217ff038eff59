"""What a program comes to, by the names that its code mentions.

An upper bound that no call by an unusual way can escape.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import imported_modules
from gonogo.analysis.python.reachability import cut_off
from gonogo.analysis.python.scopes import FUNCTIONS

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Cut:
    """Code of a program that is never reached.

    Attributes:
        module: where it stands.
        leaves: the statement before it, which leaves.
        behind: its first statement.
    """

    module: Module
    leaves: ast.stmt
    behind: ast.stmt


class Liveness:
    """Which statements a program may come to.

    A definition at the top of a module counts as reached where a name or a text like its own stands in code that is reached.

    Args:
        program: the module that is started.
        modules: every module, by path.
    """

    def __init__(self, program: Module, modules: Mapping[str, Module]) -> None:
        self.program = program
        self.modules = _with_imports(program, modules)
        self._cuts = {module: module.once(cut_off, module.tree) if module.tree is not None else {} for module in self.modules}
        self._by_name: dict[str, list[tuple[Module, Definition]]] = {}
        for module in self.modules:
            for statement in module.tree.body if module.tree else []:
                if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
                    self._by_name.setdefault(statement.name, []).append((module, statement))

    @property
    def has_cuts(self) -> bool:
        """Whether anything is cut off at all."""
        return any(self._cuts.values())

    def reached(self, *, past_cuts: bool) -> set[ast.stmt]:
        """The statements that the program may come to, definitions among them.

        Args:
            past_cuts: count what stands behind a `return` or the like, too.
        """
        return self._from(self._beginnings(), past_cuts)

    def reached_from(self, module: Module, statement: ast.stmt) -> set[ast.stmt]:
        """The statements that one statement leads to, what is never reached left out."""
        return self._from([(module, statement)], past_cuts=False)

    def cuts(self, wanted: Iterable[ast.stmt]) -> Iterator[Cut]:
        """What ends the program before some statements, although it is reached itself."""
        live, targets = self.reached(past_cuts=False), set(wanted)
        for module in self.modules:
            for behind, leaves in self._cuts[module].items():
                if leaves in live and targets & self._from([(module, behind)], past_cuts=True, with_siblings=True):
                    yield Cut(module, leaves, behind)

    def _beginnings(self) -> list[tuple[Module, ast.stmt]]:
        """What runs when the program is started.

        Its own top, and that of what it imports without the part under the main guard.
        """
        found = []
        for module in self.modules:
            for statement in module.tree.body if module.tree else []:
                is_quiet = isinstance(statement, (*FUNCTIONS, ast.ClassDef)) and not statement.decorator_list
                is_guarded = module is not self.program and names_of_main(statement) != []
                if not (is_quiet or is_guarded or wrong_name_of_main(statement)):
                    found.append((module, statement))
        return found

    def _from(self, starts: list[tuple[Module, ast.stmt]], past_cuts: bool, with_siblings: bool = False) -> set[ast.stmt]:
        found: set[ast.stmt] = set()
        pending = [each for start in starts for each in (self._behind(*start) if with_siblings else [start])]
        known: set[str] = set()
        while pending:
            module, statement = pending.pop()
            if statement in found:
                continue
            words: set[str] = set()
            found |= self._walk(module, statement, words, past_cuts)
            for word in words - known:
                pending += self._by_name.get(word, [])
            known |= words
        return found

    @staticmethod
    def _behind(module: Module, statement: ast.stmt) -> list[tuple[Module, ast.stmt]]:
        """A statement and those that follow in its block."""
        parent = module.parents[statement]
        blocks = [value for _, value in ast.iter_fields(parent) if isinstance(value, list) and statement in value]
        return [(module, each) for block in blocks for each in block[block.index(statement) :]]

    def _walk(self, module: Module, start: ast.AST, words: set[str], past_cuts: bool) -> set[ast.stmt]:
        """The statements within one, and the words that they mention.

        Statements without effect mention nothing.
        """
        found: set[ast.stmt] = set()
        cuts = {} if past_cuts else self._cuts[module]
        pending: list[ast.AST] = [start]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.stmt):
                found.add(node)
                if is_without_effect(node):
                    continue
            if isinstance(node, ast.Name):
                words.add(node.id)
            elif isinstance(node, ast.Attribute):
                words.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.update(part for part in node.value.replace(":", ".").split(".") if part.isidentifier())
            for _, value in ast.iter_fields(node):
                if isinstance(value, list):
                    for child in value:
                        if child in cuts:
                            break
                        if isinstance(child, ast.AST):
                            pending.append(child)
                elif isinstance(value, ast.AST):
                    pending.append(value)
        return found


def is_without_effect(statement: ast.stmt) -> bool:
    """Whether a statement only names something, or makes a function that nobody keeps."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return True
    return isinstance(statement, ast.Expr) and isinstance(statement.value, (ast.Name, ast.Attribute, ast.Lambda))


def names_of_main(statement: ast.stmt) -> list[str]:
    """What an `if` compares `__name__` with.

    `["__main__"]` for the usual guard; empty for any other statement.
    """
    if not isinstance(statement, ast.If) or not isinstance(statement.test, ast.Compare):
        return []
    sides = [statement.test.left, *statement.test.comparators]
    if not any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides):
        return []
    return [side.value for side in sides if isinstance(side, ast.Constant) and isinstance(side.value, str)]


def wrong_name_of_main(statement: ast.stmt) -> str:
    """The name in a guard that was meant to be `"__main__"` and is not, empty for any other statement."""
    names = names_of_main(statement)
    return next((name for name in names if "__main__" not in names and name.strip("_ .").removesuffix(".py").lower() == "main"), "")


def _with_imports(program: Module, modules: Mapping[str, Module]) -> list[Module]:
    """A module and those of the project that it imports, directly or not."""
    by_name = {module.name: module for module in modules.values()}
    folder = program.folder
    found, pending = {program.path: program}, [program]
    while pending:
        module = pending.pop()
        names = imported_modules(module, modules)
        names |= {f"{folder}.{dotted.split('.')[0]}" for dotted in module.imports.values()} if folder else set()
        for name in names:
            other = by_name.get(name)
            if other is not None and other.path not in found:
                found[other.path] = other
                pending.append(other)
    return list(found.values())
