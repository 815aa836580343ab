"""The neutral language between wires: values that say what was meant, whoever says it.

One file per operation family. Nothing here reads or writes a wire; wires live in protocols/.
"""
