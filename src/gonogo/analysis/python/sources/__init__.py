"""Where values come from, across the project's modules.

This gives the expressions that a name, a parameter, an attribute or a call may stand for.

What is found is what *may* be: order and conditions are left aside, so that nothing is missed. Where a value may come from a place that no
text shows, the answer says that it is not complete. Unlike `code.flow` it follows no run and knows no config; it is the right tool to show
that something is nowhere.

`origins` what is followed and what is found; `callers` who calls a function, with which arguments; `contents` what is put into a container
after it was made; `follow` the walk itself; `texts` the texts that an expression may be.
"""
