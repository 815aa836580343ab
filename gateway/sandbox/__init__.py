"""A make-believe upstream: deterministic, without key or network, and able to fail in every way that real ones do.

It exists twice over one core: `local.py` is it in process, a `transport.contract.Send`; `serve.py` is it on a socket.
`script.py` is what it is told to do, `content.py` what it says, a file (or a few, by their first word) per wire how
it says it, `answer.py` which path leads to which wire, `plan.py` the steps that both follow.

The same request always gets the same answer, to the byte; the one exception is `fail=N`, which counts. Nothing here
opens a connection, and nothing but `serve.py` reads one. Workers import `local.py`, so it and what it imports stay
light.
"""
