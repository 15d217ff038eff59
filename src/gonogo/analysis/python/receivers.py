"""What a call calls, where only a function, class or method of the project is possible."""

from __future__ import annotations

import ast

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.scopes import FUNCTIONS
from gonogo.analysis.python.signatures import Signature, of_class, of_function
from gonogo.analysis.python.symbols import Definition, Symbols, method_names


def called(symbols: Symbols, module: Module, call: ast.Call) -> tuple[Definition, Signature] | None:
    """Return the definition that a call surely reaches and its signature as the caller sees it.

    None if either is unknown.
    """
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name not in symbols.callable_names:
        return None
    definition = symbols.resolve(module, call.func)
    if definition is not None:
        return _of_definition(symbols, definition)
    if isinstance(call.func, ast.Attribute):
        return _of_method(symbols, module, call.func)
    return None


def _of_definition(symbols: Symbols, definition: Definition) -> tuple[Definition, Signature] | None:
    node = definition.node
    if isinstance(node, ast.ClassDef):
        signature = of_class(symbols, definition)
        if signature is None:
            return None
        init = symbols.method(definition, "__init__")
        return (Definition(init[0].module, init[1]) if init else definition), signature
    signature = of_function(node, in_class=isinstance(definition.module.parents.get(node), ast.ClassDef), through_instance=False)
    return (definition, signature) if signature else None


def _of_method(symbols: Symbols, module: Module, function: ast.Attribute) -> tuple[Definition, Signature] | None:
    """`self.f(…)`, and `x.f(…)` where `x` is made by the project's class once and for all."""
    name = function.attr
    if name in symbols.stored_attributes or name.startswith("__") or not isinstance(function.value, ast.Name):
        return None
    owner = _class_of_self(symbols, module, function.value) or _class_of_variable(symbols, module, function.value)
    if owner is None:
        return None
    assert isinstance(owner.node, ast.ClassDef)
    if any(name in method_names(other.node) for other in symbols.subclasses(owner.node.name) if isinstance(other.node, ast.ClassDef)):
        return None
    found = symbols.method(owner, name)
    signature = of_function(found[1], in_class=True) if found else None
    return (Definition(found[0].module, found[1]), signature) if found and signature else None


def _class_of_self(symbols: Symbols, module: Module, node: ast.Name) -> Definition | None:
    """The class in whose method `node` is the first parameter."""
    scopes = symbols.scopes(module)
    found = scopes.lookup(node.id, node)
    if found is None or len(found[1]) != 1 or not isinstance(found[1][0], ast.arg):
        return None
    method, parameter = found[0], found[1][0]
    owner = module.parents.get(method)
    if not isinstance(method, FUNCTIONS) or not isinstance(owner, ast.ClassDef):
        return None
    first = next(iter([*method.args.posonlyargs, *method.args.args]), None)
    return Definition(module, owner) if first is parameter and not method.decorator_list else None


def _class_of_variable(symbols: Symbols, module: Module, node: ast.Name) -> Definition | None:
    """The project's class whose instance a variable holds: assigned once, from a plain call of the class."""
    found = symbols.scopes(module).lookup(node.id, node)
    if found is None or len(found[1]) != 1 or isinstance(found[0], ast.ClassDef):
        return None
    binding = found[1][0]
    statement = module.parents.get(binding)
    if not isinstance(statement, ast.Assign) or statement.targets != [binding] or not isinstance(statement.value, ast.Call):
        return None
    made = symbols.resolve(module, statement.value.func)
    is_class = made is not None and isinstance(made.node, ast.ClassDef)
    return made if made is not None and is_class and of_class(symbols, made) is not None else None
