"""Comparing two Engines: what a change of the file does, before it serves. `plan.py` is where to begin.

`picture.py` and its neighbours write an Engine down as plain values, by section and name, each in one form however the
file said it; `differ.py` compares two such pictures, `renames.py` finds what only has another name, `grades.py` says
what each difference risks. Texts are never compared: comments, order without meaning, short forms and YAML's aliases
are gone before anything is looked at.
"""
