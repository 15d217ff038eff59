"""What libraries do with values, one file a library.

A file enters its models in `registry.LIBRARY`: what a call gives (`@LIBRARY.call`), what a name stands for (`@LIBRARY.attribute`), which
calls only show what they are given, which ones rules want to see. The files are found by walking this package; an installed package adds
its own by naming a module in the entry-point group `gonogo.library_models`.
"""
