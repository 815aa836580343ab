"""When to come back: the headers by which providers say it, in seconds.

Sources: RFC 9110 §10.2.3 (Retry-After), OpenAI's rate-limit guide (`x-ratelimit-reset-*`, Go durations),
Anthropic's rate-limit page (`anthropic-ratelimit-*-reset`, RFC 3339), and `retry-after-ms`, which Azure and the
OpenAI SDKs know.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.protocols.contract import Headers

_GO: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_MOST: Final = 31 * 86400.0


def go_duration(text: str) -> float | None:
    """Seconds of a Go duration (`6m0s`, `120ms`), None for anything else."""
    parts = _GO.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None


def _date(text: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)


def _exhausted_resets(headers: Headers, now: float) -> list[float]:
    """The waits of those provider limits that are used up (`…-remaining…: 0`)."""
    waits: list[float] = []
    for name, value in headers.items():
        if name.startswith("x-ratelimit-reset-"):
            if headers.get(name.replace("-reset-", "-remaining-")) == "0":
                wait = go_duration(value)
                waits.extend([wait] if wait is not None else [])
        elif name.startswith("anthropic-ratelimit-") and name.endswith("-reset"):  # noqa: SIM102 - one header family per branch
            if headers.get(name.removesuffix("-reset") + "-remaining") == "0":
                wait = _date(value, now)
                waits.extend([wait] if wait is not None else [])
    return waits


def retry_after(headers: Headers, now: float) -> float | None:
    """Seconds to wait, from the most exact hint there is; None where there is none. At most 31 days."""
    wait: float | None = None
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None:
        number = _number(milliseconds.strip())
        wait = number / 1000 if number is not None else None
    if wait is None and (text := headers.get("retry-after")) is not None:
        wait = _number(text.strip())
        if wait is None:
            wait = _date(text.strip(), now)
    if wait is None:
        wait = max(_exhausted_resets(headers, now), default=None)
    return None if wait is None else min(wait, _MOST)
