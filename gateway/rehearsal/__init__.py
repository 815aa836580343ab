"""Rehearsals: what a configuration does with requests, found by letting the server do it.

The server's own application answers in process, on the compiled engine, with a virtual clock, seeded chance and
upstreams that follow a script (the sandbox's wires). `stage` sets it up, `request` writes what a client would send,
`upstreams` are the providers, `perform` runs a test of `tests:`, `expecting` compares, `coverage` says what no test
touched, `report` writes it down.

Must not live here: any decision that the server makes.
"""
