"""An abstract walk of Python code that tells what a program does with which values.

The events are kept in order, and the code is never executed.

The walk goes through a program as Python would, from the top of a script into the functions it calls, and keeps two things. The *value
graph*: every expression is a node that knows what it was made of (a call and its arguments, a sum and its terms), through assignments,
attributes, containers, calls of the project's own functions and loops. The *events*: every call, write and change in order, in a tree of
loops, branches, `with` blocks and called functions. What can't be told is an `Unknown` or a `Choice`; nothing is guessed here.

`gonogo.analysis.interpreter` follows one run with its composed config; this walk knows no config and keeps the order and the structure of
what happens.

`values` the nodes; `blocks` the tree; `store` names and fields through branches; `core` the walker; `statements`,
`expressions`, `calls`, `containers` what each piece of syntax does; `locate` the project's modules by how they are imported; `programs`
where walks begin; `flow` states that change along a tree of events.
"""
