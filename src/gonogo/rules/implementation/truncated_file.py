"""IMP108."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gonogo.analysis.project.templates import TEMPLATE
from gonogo.analysis.python.lint import Complaint
from gonogo.analysis.python.modules import Module, qualified_name, without_docstring
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.symbols import Symbols
from gonogo.analysis.python.truncation import is_truncated, last_line, syntax_fault
from gonogo.model.contract import Contract, Scope
from gonogo.model.finding import Certainty, Location, Related, Severity, Stage
from gonogo.rules.base import Edit, Tree, Violation, at, rule

_LOGGERS = {"log", "logger", "LOG", "LOGGER", "_log", "_logger"}


@rule(
    "IMP108",
    "truncated-file",
    criterion=1,
    severity=Severity.ERROR,
    stage=Stage.CHECK,
    scope=Scope.PROGRAM,
    certainty=Certainty.PROVEN,
    settles=("syntax",),
)
def truncated_file(modules: dict[str, Module], symbols: Symbols, lint: list[Complaint], contract: Contract) -> Iterator[Violation]:
    """A file that ends too early: mid-statement, empty, or an entry point that starts nothing.

    What it does:
        Looks for files that end within a bracket, a string or a statement, for entry modules that define functions and call none of them
        at the top level, and for required modules without any code (a warning where nothing imports from them).

    Why it matters:
        A cut-off file does not parse; an entry module without its last lines is worse, since `python -m` runs it, does nothing and
        reports success.

    Instead:
        Write the rest of the file; end an entry module with `if __name__ == "__main__": main()`.
    """
    entries = contract.entry_paths()
    for path in sorted(modules):
        module = modules[path]
        if TEMPLATE in path:
            continue
        fault = syntax_fault(module, [complaint for complaint in lint if complaint.path == path])
        if fault is not None:
            if is_truncated(module.text, fault):
                opened = Related(location=Location(path=path, line=fault.line, column=fault.column), label=fault.message)
                message = "the file ends in the middle of a statement"
                yield Violation(at(path, last_line(module.text)), message, "write the rest of the file", (opened,), evidence=fault.message)
        elif module.tree is not None and (path in entries or path in contract.files.required):
            yield from _without_code(module, path in entries, symbols)


def _without_code(module: Module, is_entry: bool, symbols: Symbols) -> Iterator[Violation]:
    body = without_docstring(module.tree.body) if module.tree else []
    if not body:
        message = "the file has no code, so starting it does nothing" if is_entry else "the file has no code"
        yield Violation(at(module.path), message, "write the module", severity=None if is_entry else Severity.WARNING)
    elif is_entry and not _starts_something(module, symbols):
        main = next((node for node in body if isinstance(node, FUNCTIONS) and node.name == "main"), None)
        message = f"`python -m {module.name}` defines functions and calls none of them, so it does nothing and exits with success"
        line = main.lineno if main else last_line(module.text)
        yield Violation(at(module.path, line), message, 'end the file with `if __name__ == "__main__": main()`')


def _starts_something(module: Module, symbols: Symbols) -> bool:
    """Whether the top level calls anything of the project's, or something that may lead to it."""
    if module.tree is None or not any(isinstance(node, (*FUNCTIONS, ast.ClassDef)) for node in module.tree.body):
        return True  # a script without definitions, or one that only imports: what it does is in what it imports
    if module.has_star_import:
        return True
    for node in module.of(ast.Call):
        if next(iter(symbols.scopes(module).chain(node))) is not module.tree:
            continue
        if isinstance(module.parents.get(node), (*FUNCTIONS, ast.ClassDef)):
            continue  # a decorator or a base: nothing is started yet
        names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        root = qualified_name(node.func).partition(".")[0]
        if any(_is_own(module, symbols, name, name == root) for name in names):
            return True
    return False


def _is_own(module: Module, symbols: Symbols, name: str, is_called: bool) -> bool:
    """Return whether a name is defined here or imported from the project.

    Where the name is what is called, it may also be created here, unless it is a logger.
    """
    binding = module.definitions.get(name)
    if isinstance(binding, (*FUNCTIONS, ast.ClassDef)):
        return True
    if isinstance(binding, ast.ImportFrom):
        source = module.resolve_import(binding)
        return symbols.has_module(source) is not None
    return is_called and name not in _LOGGERS and isinstance(binding, (ast.Assign, ast.AnnAssign))


_START = '\n\nif __name__ == "__main__":\n    main()\n'
_FINISHED = """    print(f"wrote metrics, figures and the comparison to {results_dir}")\n"""
BAD = [
    Tree({"src/evaluate.py": (Edit(_START, ""), Edit("def main() -> None:", "def main() -> None:  # <- here"))}),
    Tree({"src/evaluate.py": Edit(_FINISHED + _START, "    print('wrote',  # <- here\n")}),
    Tree({"src/main.py": ""}, at="src/main.py"),
    Tree({"src/model.py": '"""The models."""\n'}, at="src/model.py"),
]
GOOD = [
    Tree({"src/evaluate.py": Edit(_START, "\n\nmain()\n")}),
    Tree({"src/evaluate.py": Edit(_START, "\n\nsys.exit(main())\n")}),
]
