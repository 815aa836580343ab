"""The only door to upstream HTTP. Requests in, responses out, every error a `Failure`; nothing about models.

`contract.py` says what crosses the door; `pool.py` keeps connections; `http1.py` speaks HTTP/1.1 on one of them.
"""
