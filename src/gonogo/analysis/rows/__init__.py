"""Which rows of the data a value holds: all of them, the part to learn from, the part to be scored on.

`flow` follows rows back to what they were read from; `parts` knows what splits data; `learners` what is fitted to data; `origins` follows
everything a value was made of, through what is written into tables and objects.
"""
