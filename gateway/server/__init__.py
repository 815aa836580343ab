"""The server: one supervisor process that compiles, and workers that serve.

- `supervisor.py` loads and checks the file, starts workers, hands every one of them each accepted configuration.
- `worker.py` is a worker's process: it builds Engines, swaps them, and runs Sanic on a socket of its own.
- `starting.py` is how a worker's process begins: forked, or executed.
- `channel.py` is what the two say to each other.
- `app.py` puts the handlers together: `ingress.py` for protocol rows, `operators.py` for health, metrics, reload.

Sanic is imported in this room only.
"""
