"""The sandbox on OpenAI's embeddings wire.

Source: https://platform.openai.com/docs/api-reference/embeddings/create. A vector has length 1 and is the sum of one
fixed direction per word, so that texts which share words are near each other, and the same text is always the same
vector. The default of 64 dimensions keeps answers small; `dimensions` asks for others.
"""

from __future__ import annotations

import base64
import math
import struct
from functools import lru_cache
from hashlib import shake_128
from typing import Any, Final

import msgspec

from gateway.sandbox.content import tokens_of
from gateway.sandbox.exchange import Received, failure, refused, script_of, waiting
from gateway.sandbox.openai_errors import error, headers
from gateway.sandbox.openai_request import missing, model_of, read_json
from gateway.sandbox.plan import Plan
from gateway.sandbox.refusal import Bad

_DIMENSIONS: Final = 64
_INPUTS_MOST: Final = 2048


def embeddings(received: Received) -> Plan:
    """POST …/embeddings. Of the words of a script, those about time, errors and closing apply."""
    try:
        request = read_json(received.body)
        model = model_of(request)
        script = script_of(model, received)
        inputs = _inputs(request.get("input"))
        size = request.get("dimensions")
        size = _DIMENSIONS if size is None else size
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= 4096:
            raise Bad("Invalid 'dimensions': expected an integer from 1 to 4096.", "invalid_value", "dimensions")
        encoding = request.get("encoding_format")
        if encoding not in (None, "float", "base64"):
            raise Bad(
                f"Invalid value: {encoding!r}. Supported values are: 'float' and 'base64'.",
                "invalid_value",
                "encoding_format",
            )
    except Bad as bad:
        return refused(error, bad, received.digest)
    failed = failure(error, script, received.digest)
    if failed is not None:
        return failed
    data = []
    for index, text in enumerate(inputs):
        vector: Any = vector_of(text, size)
        if encoding == "base64":
            vector = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    count = sum(len(tokens_of(text)) for text in inputs)
    usage = {"prompt_tokens": count, "total_tokens": count}
    answer = {"object": "list", "data": data, "model": model, "usage": usage}
    return Plan(status=200, headers=headers(received.digest), body=msgspec.json.encode(answer), before=waiting(script))


def vector_of(text: str, size: int) -> list[float]:
    """A unit vector of `size` numbers; a text without words points where the empty word does."""
    sums = [0.0] * size
    for word in text.lower().split() or [""]:
        for at, value in enumerate(_direction(word, size)):
            sums[at] += value
    length = math.sqrt(sum(value * value for value in sums))
    return [value / length for value in sums] if length > 0 else [1.0, *sums[1:]]


@lru_cache(maxsize=512)
def _direction(word: str, size: int) -> tuple[float, ...]:
    raw = shake_128(word.encode("utf-8", "replace")).digest(2 * size)
    return tuple((value - 32767.5) / 32767.5 for value in struct.unpack(f"<{size}H", raw))


def _inputs(value: Any) -> list[str]:
    """The texts; an array of token numbers counts as a text of those numbers."""
    if value is None:
        raise missing("input")
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and _numbers(value):
        return [" ".join(str(each) for each in value)]
    if isinstance(value, list) and 0 < len(value) <= _INPUTS_MOST:
        if all(isinstance(each, str) for each in value):
            return value
        if all(isinstance(each, list) and each and _numbers(each) for each in value):
            return [" ".join(str(number) for number in each) for each in value]
    raise Bad(
        f"Invalid 'input': expected a string, an array of up to {_INPUTS_MOST} strings, or arrays of token numbers.",
        "invalid_type",
        "input",
    )


def _numbers(values: list[Any]) -> bool:
    return all(isinstance(each, int) and not isinstance(each, bool) for each in values)
