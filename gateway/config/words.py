"""How YAML 1.2 reads a word: a number, a boolean, or text."""

from __future__ import annotations

import math
import re
from typing import Any, Final

_INT: Final = re.compile(r"[-+]?[0-9][0-9_]*|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?", re.ASCII)


def integer_of(text: str) -> int | str:
    """The integer that a word stands for; the word where it stands for none, or for one beyond reason."""
    if not _INT.fullmatch(text) or len(text) > 40:
        return text
    return int(text.replace("_", ""), 0 if text.startswith(("0o", "0x")) else 10)


def number_of(text: str) -> float | str:
    """The finite number that a word stands for, else the word."""
    if not _FLOAT.fullmatch(text):
        return text
    value = float(text.replace("_", ""))
    return value if math.isfinite(value) else text


def scalar_of(text: str) -> Any:
    """What a word would be if it stood in the file."""
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    number = integer_of(text)
    return number if isinstance(number, int) else number_of(text)
