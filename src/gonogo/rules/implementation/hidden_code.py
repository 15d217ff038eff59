"""IMP122."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gonogo.analysis.python.modules import Module
from gonogo.analysis.python.names import calls, origin
from gonogo.model.contract import Scope
from gonogo.model.finding import Severity, Stage
from gonogo.rules.base import Tree, Violation, program, rule

_RUNS = frozenset({"exec", "eval", "compile", "builtins.exec", "builtins.eval", "builtins.compile"})
_DECODES = re.compile(
    r"^(?:base64\.\w*decode\w*|binascii\.(?:unhexlify|a2b_\w+)|codecs\.decode|bytes\.fromhex|bytearray\.fromhex"
    r"|(?:zlib|gzip|bz2|lzma)\.decompress|marshal\.loads)$"
)


@rule("IMP122", "hidden-code", criterion=1, severity=Severity.ERROR, stage=Stage.CHECK, scope=Scope.PROGRAM, settles=("implementation",))
def hidden_code(modules: dict[str, Module]) -> Iterator[Violation]:
    """Code is run that nobody can read: a text is decoded or decompressed, and handed to `exec` or `eval`.

    What it does:
        Looks at what `exec`, `eval` and `compile` are given. Speaks where the text comes out of a decoder, of base64, hex, a cipher of
        `codecs`, a compressed or marshalled object: at once, or by a name that is assigned once.

    Why it matters:
        What the experiment does there is in no file that is reviewed, so that nothing can be said of its numbers.

    Instead:
        Write the code out, in a module that people can read.
    """
    for module in modules.values():
        for call in calls(module):
            if origin(module, call.func) in _RUNS and call.args and _is_decoded(module, call.args[0]):
                yield Violation(
                    module.location(call),
                    "this runs code that can't be read here: it is decoded from something else",
                    "write the code out",
                )


def _is_decoded(module: Module, given: ast.expr) -> bool:
    return _decodes(module, given) or any(_is_once_decoded(module, node) for node in ast.walk(given) if isinstance(node, ast.Name))


def _decodes(module: Module, expression: ast.AST) -> bool:
    return any(isinstance(node, ast.Call) and _DECODES.match(origin(module, node.func)) for node in ast.walk(expression))


def _is_once_decoded(module: Module, name: ast.Name) -> bool:
    bound = module.assigned.get(name.id, [])
    return len(bound) == 1 and _decodes(module, bound[0])


_PROGRAM = """import base64
import torch

model = torch.nn.Linear(4, 2)
{body}
print(model(torch.ones(1, 4)))
"""
BAD = [
    program(_PROGRAM.format(body='exec(base64.b64decode("cHJpbnQoMSk="))  # <- here')),
    program(_PROGRAM.format(body='text = bytes.fromhex("7072696e742831")\nprint(eval(text.decode()))  # <- here')),
]
GOOD = [
    Tree(),
    program(_PROGRAM.format(body='print(len(base64.b64decode("cHJpbnQoMSk=")), eval("1 + 1"))')),
    program(_PROGRAM.format(body='exec(open("extra.py").read())')),
]
