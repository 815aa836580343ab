"""Drills: the compiled configuration that would serve, behind the server that would serve it, while its providers fail.

`rehearse.drill` is the one entry. Everything is in one process and on one event loop: the server on a real socket, a
fake upstream on a real socket for each provider, and the client. The loop's clock is virtual (loop.py), so the file's
own time-outs, cooldowns and windows hold as they are written, and a minute of outage costs some milliseconds.

Must not live here: what a fake upstream says (gateway/sandbox), how a request is routed (gateway/routing).
"""
