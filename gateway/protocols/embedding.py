"""Embeddings, as far as the gateway asks for them itself: one text in, one vector out, where a wire makes that simple.

Sources: https://platform.openai.com/docs/api-reference/embeddings/create, https://ai.google.dev/api/embeddings,
https://docs.ollama.com/api/embed, https://docs.cohere.com/reference/embed. Other wires have no row, and their providers
cannot be named where an embedding model is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec

from gateway.protocols.reading import Malformed, count


class Embedding(NamedTuple):
    """`endpoint`: upstream id → path below a base URL. `ask`: upstream id, text → body. `read`: a 2xx body, as a value
    → (the vector, the tokens of the text; 0 where nobody says)."""

    endpoint: Callable[[str], str]
    ask: Callable[[str, str], dict[str, Any]]
    read: Callable[[Any], tuple[Any, Any]]


_OPENAI: Final = Embedding(
    lambda _model: "/embeddings",
    lambda model, text: {"model": model, "input": text, "encoding_format": "float"},
    lambda body: (body["data"][0]["embedding"], body.get("usage", {}).get("prompt_tokens")),
)

EMBEDDINGS: Final[dict[str, Embedding]] = {
    "openai-chat": _OPENAI,
    "openai-responses": _OPENAI,
    "gemini": Embedding(
        lambda model: f"/models/{quote(model, safe='*')}:embedContent",
        lambda _model, text: {"content": {"parts": [{"text": text}]}, "taskType": "SEMANTIC_SIMILARITY"},
        lambda body: (body["embedding"]["values"], 0),
    ),
    "ollama": Embedding(
        lambda _model: "/api/embed",
        lambda model, text: {"model": model, "input": text},
        lambda body: (body["embeddings"][0], body.get("prompt_eval_count")),
    ),
    "cohere": Embedding(
        lambda _model: "/v2/embed",
        lambda model, text: {
            "model": model,
            "texts": [text],
            "input_type": "clustering",
            "embedding_types": ["float"],
        },
        lambda body: (
            body["embeddings"]["float"][0],
            body.get("meta", {}).get("billed_units", {}).get("input_tokens"),
        ),
    ),
}

_VECTOR: Final = msgspec.json.Decoder()


def vector_of(protocol: str, body: bytes) -> tuple[list[float], int]:
    """(the vector, the tokens of the text). Raises `Malformed` for what is no such answer."""
    try:
        vector, tokens = EMBEDDINGS[protocol].read(_VECTOR.decode(body))
        return msgspec.convert(vector, list[float]), count(tokens)
    except (
        msgspec.MsgspecError,
        UnicodeDecodeError,
        RecursionError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise Malformed("", f"it is no embedding: {error}") from None
