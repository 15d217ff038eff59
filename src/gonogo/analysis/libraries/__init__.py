"""What libraries and their objects have, according to the libraries themselves.

Also which values of a program are such objects.
"""
