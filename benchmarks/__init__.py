"""Benchmarks and the soak: what the gateway costs, measured beside nginx in the same run.

`python -m benchmarks` measures, `python -m benchmarks.soak_reload` holds reloads to their promise. Both start every
process they need on free ports of 127.0.0.1, stop it again, and talk to nothing else.

A figure of one machine says little; ratios between candidates that ran interleaved on it say more, and CPU time per
request or event is the steadiest. The candidate has core 0 for itself; the upstream and the load share core 1, so a
candidate that is not busy was not the limit: the table marks such rows.

Nothing here is imported by the gateway, and nothing of the gateway is imported here: it is measured from outside.
"""
