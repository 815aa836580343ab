"""The compiled program: built from a checked configuration, immutable, replaced as a whole.

`build.py` is the only place where names become references. Everything that serves, explains or compares works on
the `Engine` that it returns.
"""
