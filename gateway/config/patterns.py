"""Names with one `*`: what they match, and which of several is asked first. One meaning, for checking and for serving."""

from __future__ import annotations


def part(pattern: str, name: str) -> str | None:
    """What the star of a pattern stands for in a name, None where it does not match."""
    prefix, _, suffix = pattern.partition("*")
    end = len(name) - len(suffix)
    if end < len(prefix) or not name.startswith(prefix) or not name.endswith(suffix):
        return None
    return name[len(prefix) : end]


def matches(pattern: str, name: str) -> bool:
    """Whether a name is what a pattern or a plain name says."""
    return part(pattern, name) is not None if "*" in pattern else pattern == name


def specificity(pattern: str) -> tuple[int, int, str]:
    """Sort key: the more literal text the earlier, then the longer prefix, then by text."""
    return (-len(pattern.replace("*", "")), -len(pattern.partition("*")[0]), pattern)
