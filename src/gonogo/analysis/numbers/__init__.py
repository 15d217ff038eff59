"""Where the numbers come from that a program reports: logged to W&B, or written by its evaluation.

`reported` finds them; `origins` follows each back through the value graph of `gonogo.analysis.dataflow` to its sources; `controls` says
what decides between several values; `same` and `written` when two values are one; `splits` which part of the data a loader goes through.
"""
