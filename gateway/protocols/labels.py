"""What is noted of an answer beside its tokens: the id that it calls itself by, and why it ended.

Both are looked for in the bytes, of any wire, without decoding them: an id in the answer's first kilobyte or its last,
the reason in its end. Inside JSON text a quote is always escaped, so content cannot imitate these words. What is not
found is None; nothing depends on it but a row for people to read.
"""

from __future__ import annotations

import re
from typing import Final

_NEAR: Final = 1024
_END: Final = -(16 << 10)  # where it begins
_ID: Final = re.compile(rb'"(?:id|responseId|generation_id)"\s*:\s*"([A-Za-z0-9._:-]{6,128})"')
_REASON: Final = re.compile(rb'"(?:finish_reason|stop_reason|finishReason|done_reason)"\s*:\s*"([A-Za-z_]{1,40})"')
_REASON_END: Final = b'eason"'  # of all these names: bytes are found much faster than patterns
_STATUS: Final = re.compile(
    rb'"type"\s*:\s*"response\.(completed|incomplete|failed)"|"object"\s*:\s*"response".{0,400}?"status"\s*:\s*"(\w+)"',
    re.DOTALL,
)


def answer_id(opening: bytes) -> str | None:
    """The id of an answer that begins so; a whole one may say it at its end."""
    found = _ID.search(opening, 0, _NEAR)
    if found is None:
        found = _ID.search(opening, max(_NEAR, len(opening) - _NEAR))
        if found is None:
            return None
    return found[1].decode()


def finish(end: bytes) -> str | None:
    """Why an answer that ends so ended, in the word of its wire."""
    at = end.rfind(_REASON_END, _END)
    while at >= 0:
        found = _REASON.match(end, end.rfind(b'"', _END, at))
        if found is not None:
            return found[1].decode()
        at = end.rfind(_REASON_END, _END, at)
    first = max(0, len(end) + _END)
    found = None
    if b"response" in end[first:]:
        for each in _STATUS.finditer(end, first):
            found = each
    if found is None and first:
        found = _REASON.search(end, 0, _NEAR) or _STATUS.search(end, 0, _NEAR)
    return found[found.lastindex or 1].decode() if found is not None else None
