"""Configurations of other gateways → router.yaml, with a row of a report for every value that they hold.

One file per system turns its tree into an `Imported`: a document in router.yaml's words, findings by source path, and
what the source leaves at a default that differs from ours. A finding is exact, approximate, manual or unsupported,
and is a claim that must be true: *exact* means the same behaviour, *approximate* says what differs, *manual* what
somebody has to do, *unsupported* that nothing was written and why. Secrets never leave the source: a literal becomes
`{env: NAME}` and a manual row that names it.

Nothing here is served: the document is written as text and goes through the same pipeline as any other file. Whatever
comes in, an import ends with findings or with a `Refused`, never with another exception.
"""
