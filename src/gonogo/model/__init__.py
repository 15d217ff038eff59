"""The data model that everything else uses.

It has the experiment, its plan and runs, the contract, findings, the verdict, the caller's options.
"""
