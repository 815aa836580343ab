"""From a compiled node to an answer: which target next, and what to do when one fails.

Nodes are frozen data (`node.py`); strategies are functions over them, a file each; `walk.py` decides synchronously
which target comes next; `attempt.py` asks one target once; `run.py` joins the two with retries, credentials and
breakers. Clock, random, sleep and `send` are parameters. Nothing here knows a name of router.yaml's syntax.
"""
