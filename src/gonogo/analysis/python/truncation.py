"""Syntax errors, and which of them every Python rejects.

Also which of them are there because the file ends too early.
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings

from gonogo.analysis.python.lint import Complaint
from gonogo.analysis.python.modules import Module, ParseProblem

_CLOSERS = {"(": ")", "[": "]", "{": "}"}


def syntax_fault(module: Module, complaints: list[Complaint]) -> ParseProblem | None:
    """Why Python refuses a module, in the parser's own words.

    None where only the running Python refuses it, being too old for its syntax: ruff, which knows the syntax of every version, decides.

    Args:
        module: the module.
        complaints: what ruff says of this module.
    """
    refused = any(complaint.is_syntax_error for complaint in complaints)
    if module.fault is not None:
        return module.fault if refused or "\0" in module.text else None
    return _compile_fault(module.text) if refused else None


def _compile_fault(text: str) -> ParseProblem | None:
    """Return what the compiler rejects in a text that parses.

    Examples: `return` outside a function, a duplicate parameter.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "module", "exec", dont_inherit=True)
    except SyntaxError as error:
        return ParseProblem(error.msg, error.lineno or 1, error.offset or 1)
    except (ValueError, RecursionError, MemoryError):
        pass  # a limit of the running Python, not a fault of the text
    return None


def last_line(text: str) -> int:
    """The number of the last line that is not blank, 1 for an empty text."""
    return max(text.rstrip().count("\n") + 1, 1)


def is_truncated(text: str, fault: ParseProblem) -> bool:
    """Whether a syntax error is there because the text ends in the middle of a statement."""
    last = last_line(text)
    ending = text.rstrip().rpartition("\n")[2]
    if fault.line > last or (fault.line == last and (fault.column > len(ending) or fault.message.startswith("unterminated"))):
        return True
    closers, in_string = _open_at_end(text)
    if not closers and not in_string:
        return False
    quotes = ('"""', "'''") if in_string else ("",)
    return any(_parses_up_to(f"{text.rstrip()}{quote}\n{closers}\n", last) for quote in quotes)


def _open_at_end(text: str) -> tuple[str, bool]:
    """Return the brackets that would close what is open at the end of a text.

    Also whether a string of several lines is open.
    """
    opened: list[str] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.OP and token.string in _CLOSERS:
                opened.append(_CLOSERS[token.string])
            elif token.type == tokenize.OP and token.string in _CLOSERS.values() and opened:
                opened.pop()
    except (tokenize.TokenError, SyntaxError) as error:
        return "".join(reversed(opened)), "string" in str(error.args[0])
    return "".join(reversed(opened)), False


def _parses_up_to(text: str, line: int) -> bool:
    """Whether a text parses, or fails at a line or after it only."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return (error.lineno or 1) >= line
    except (ValueError, RecursionError, MemoryError):
        return False
    return True
