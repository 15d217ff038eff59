"""An abstract interpreter that walks the whole program with the composed config of every run.

It records what the program does with the config.

It walks the code as Python would run it, with the config as a known value and whatever the outside world decides as *unknown*. A branch
on a known value is taken or not; a branch on an unknown one is walked on both sides, and what the sides disagree on becomes unknown. So
every access of the config is *present*, *absent* or *unknown*, and only what is surely absent is reported. Nothing of the experiment is
executed.

| to add | write |
|---|---|
| a kind of value | a file in `values/` |
| a construct of the language | a function in `language/` |
| what a library does | a file in `library/`, or a function in the library's own file |
| something rules want to see | an event class in `trace`, and `walk.state.record(…)` where it happens |

From the ground up: `sentinels`, `memory` (what the program has written, for all runs at once), `state` (where the walk is, and what it has
seen), `base` (what a value is, and what it may ask of the interpreter), `trace` (the interface to the rules), `values/`, `language/`,
`modules` and `processes` (the experiment's code as each process imports it), `library/`, `interpreter` (all of it put together),
`composing` and `runs` (runs that a contract documents), `project` (entry points that nobody documents).
"""
