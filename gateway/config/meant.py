"""What a quantity was meant to be that is written as in other languages: `5 min`, `$50`, `60 rpm`, `32MiB`, `1,5s`.

Each function takes what is written and gives the text that says the same here, or None where there is none or more
than one. What comes of it is checked by whoever asks: a unit's own reader has the last word.
"""

from __future__ import annotations

import re
from typing import Any, Final

_NUMBER: Final = r"([0-9]+(?:\.[0-9]+)?)"
_TIMES: Final = {
    "ms": "ms", "msec": "ms", "msecs": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms",
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
    "d": "d", "day": "d", "days": "d", "w": "w", "week": "w", "weeks": "w",
}  # fmt: skip
_WINDOWS: Final = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "rps": "second", "rpm": "minute", "rph": "hour",
    "rpd": "day", "tps": "second", "tpm": "minute", "tph": "hour", "tpd": "day", "month": "month", "months": "month",
}  # fmt: skip
_SIZES: Final = {
    "b": "B", "bytes": "B", "k": "KB", "kb": "KB", "kib": "KB", "m": "MB", "mb": "MB", "mib": "MB", "g": "GB", "gb": "GB",
    "gib": "GB",
}  # fmt: skip
_SIGNS: Final = {
    "$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "dollar": "USD",
    "dollars": "USD",
    "euro": "EUR",
    "euros": "EUR",
}


def plain_number(text: str) -> str:
    """A number without what groups its digits (`1,000`, `1 000`, `1_000`), with a point for a decimal comma."""
    text = re.sub(r"(?<=[0-9])[,_ \u00a0\u202f](?=[0-9]{3}(?![0-9]))", "", text)
    return re.sub(r"^([0-9]+),([0-9]{1,2})(?![0-9])", r"\1.\2", text)


def _parts(value: Any) -> tuple[str, str] | None:
    """A number and the word after it, in lower case."""
    if not isinstance(value, str):
        return None
    match = re.fullmatch(_NUMBER + r"\s*([a-zA-Zµ]+)\.?", plain_number(value.strip()))
    return (match[1], match[2].lower()) if match else None


def duration(value: Any) -> str | None:
    """`30s` for `30 sec`, `PT30S` and the like."""
    if isinstance(value, str):
        iso = re.fullmatch(r"P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?", value.strip())
        if iso is not None and any(iso.groups()):
            return "".join(f"{number}{unit}" for number, unit in zip(iso.groups(), "dhms", strict=True) if number)
    parts = _parts(value)
    if parts is None:
        return None
    if parts[1] in ("y", "yr", "year", "years") and parts[0] == "1":
        return "365d"
    unit = _TIMES.get(parts[1])
    return f"{parts[0]}{unit}" if unit is not None else None


def duration_range(value: Any) -> str | None:
    """`1s..5s` for `1..5s`, `1s-5s`, `[1s, 5s]` and the like."""
    if isinstance(value, list):
        ends = [str(item) for item in value]
    elif isinstance(value, str):
        ends = re.split(r"\s*(?:\.\.\.?|-|–|\bto\b)\s*", value.strip())
    else:
        return None
    if len(ends) != 2 or not all(ends):
        return None
    unit = re.search(r"[a-zA-Z]+$", ends[1])
    if re.fullmatch(_NUMBER, ends[0]) and unit is not None:  # one unit stands for both
        ends[0] += unit[0]
    low, high = (duration(end) for end in ends)
    return f"{low}..{high}" if low is not None and high is not None else None


def size(value: Any) -> str | None:
    """`32MB` for `32 mib` and the like."""
    parts = _parts(value)
    unit = _SIZES.get(parts[1]) if parts is not None else None
    return f"{parts[0]}{unit}" if parts is not None and unit is not None else None


def tokens(value: Any) -> str | None:
    """`4096` for `4096 tokens`, `128000` for `128,000`, `128k` for `128 thousand`."""
    if not isinstance(value, str):
        return None
    number = plain_number(value.strip())
    if re.fullmatch(r"[0-9]+", number):
        return number
    match = re.fullmatch(_NUMBER + r"\s*(k|m|thousand|million)?\s*(?:tokens?|tok)?", number, re.IGNORECASE)
    if match is None:
        return None
    return f"{match[1]}{ {'thousand': 'k', 'million': 'M', None: ''}.get(match[2] and match[2].lower(), match[2]) }".strip()


def money(value: Any) -> str | None:
    """`50 USD` for `$50`, `50$`, `USD 50`, `50 usd`, `50 dollars`."""
    if not isinstance(value, str):
        return None
    text = re.sub(r"(?<=[0-9])[,_ ](?=[0-9]{3}(?![0-9]))", "", value.strip())
    match = re.fullmatch(_NUMBER + r"\s*([A-Za-z]+|[$€£¥])?", text)
    if match is not None:
        number, word = match[1], match[2] or "USD"
    else:
        match = re.fullmatch(r"([A-Za-z]{3}|[$€£¥])\s*" + _NUMBER, text)
        if match is None:
            return None
        word, number = match[1], match[2]
    currency = _SIGNS.get(word.lower(), word.upper())
    return f"{number} {currency}" if re.fullmatch(r"[A-Z]{3}", currency) else None


def rate(value: Any) -> str | None:
    """`60/minute` for `60/min`, `60 rpm`, `60 per minute`."""
    if not isinstance(value, str):
        return None
    match = re.fullmatch(_NUMBER + r"([kKmM]?)\s*(?:/|per\b|a\b|an\b)?\s*([a-zA-Z]+)", plain_number(value.strip()))
    if match is None:
        return None
    word = match[3].lower()
    unit = _WINDOWS.get(_TIMES.get(word, word))
    return f"{match[1]}{match[2]}/{unit}" if unit is not None else None


def percent(value: Any) -> str | None:
    """`10%` for `0.1`, `80%` for `80`, `%80` and `80 percent`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 < value < 1:
            return f"{value * 100:g}%"
        return f"{value:g}%" if 0 <= value <= 100 and value != 1 else None
    if not isinstance(value, str):
        return None
    match = re.fullmatch(r"%?\s*" + _NUMBER + r"\s*(?:%|percent|pct|per cent)?", value.strip(), re.IGNORECASE)
    return f"{match[1]}%" if match is not None and float(match[1]) <= 100 else None
