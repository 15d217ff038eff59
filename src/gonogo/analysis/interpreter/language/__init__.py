"""What Python's syntax does, one function for each kind of node, in the tables of `tables`.

| construct | is in |
|---|---|
| look-ups, displays, f-strings, `if … else`, lambda, walrus | `expressions` |
| operators and comparisons | `operators` |
| comprehensions | `comprehensions` |
| calls | `calls`; bodies of functions, `return`, `yield`: `functions` |
| assignments, `del`, `global` | `bindings` |
| `if`, `match` | `branches` |
| `for`, `while` | `loops` |
| `try`, `raise`, `assert`, `with` | `errors` |
| `def`, `class`, `import` | `definitions` |

`blocks` walks blocks of statements, and what both sides of an unknown condition leave behind. To add a construct, write a function under
`@expression(ast.Kind)` or `@statement(ast.Kind)` in the file that it belongs to.
"""

from __future__ import annotations

from gonogo.analysis.interpreter.language import branches, definitions, errors, functions, loops

__all__ = ["branches", "definitions", "errors", "functions", "loops"]  # imported here because they fill the tables
