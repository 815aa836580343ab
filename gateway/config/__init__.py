"""The front end of the compiler: text of router.yaml → a checked, typed configuration, or diagnostics.

`load.py` is the pipeline; it is the only road, for serving, validating and everything else. Nothing here imports
protocols, providers or routing: the names that a file may use arrive as a value (`known.py`).
"""
