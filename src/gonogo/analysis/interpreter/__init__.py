"""An abstract interpreter that follows the config of one run through the whole program.

It walks the code as Python would run it, with the composed config as a known value and whatever the outside world decides as *unknown*.
A branch on a known value is taken or not; a branch on an unknown one is walked on both sides, and what the sides disagree on becomes
unknown. So every access of the config is *present*, *absent* or *unknown*, and only what is surely absent is reported. Nothing of the
experiment is executed.

`values` what a name can stand for; `config` reading, writing, merging config nodes; `members`, `expressions`, `bindings`, `statements` and
`calls` the language; `methods`, `builtin` and `library` what Python and the libraries around a config do; `machine` processes, modules and
a whole run; `core` what these parts share; `trace` what was seen; `follow` every run under every command.
"""
