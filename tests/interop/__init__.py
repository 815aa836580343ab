"""The gateway between programs that nobody here wrote: coding agents in front of it, aimock behind it.

`make interop` installs them (package.json, pinned) and runs every agent over every upstream wire; INTEROP=1 adds the
official SDKs over the same upstreams to the tests. Neither is a part of `make test`: they need node and a gigabyte of
downloads. docs/interop.md is written here.

Must not live here: tests of the gateway against the sandbox, which need nothing.
"""
