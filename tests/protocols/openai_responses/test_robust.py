"""Whatever JSON arrives, decoders raise only what they may, and what they read can be written to every client's wire."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.failure import Failed
from gateway.ir.chat import Broke, Event
from gateway.protocols import PROTOCOLS
from gateway.protocols.contract import Dialect, Head
from gateway.protocols.reading import Malformed
from gateway.protocols.translate import Translation

WIRE = PROTOCOLS["openai-responses"]
CHAT = PROTOCOLS["openai-chat"]
DIALECT = Dialect("openai", "gpt-5.1")
few = settings(max_examples=50)  # a large one takes longer to make than to read; every run has others

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
TYPES = st.sampled_from(
    (
        "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output",
        "local_shell_call", "local_shell_call_output", "tool_search_call", "tool_search_output", "additional_tools",
        "item_reference", "image_generation_call", "web_search_call", "compaction", "input_text", "output_text",
        "refusal", "input_image", "input_file", "input_audio", "summary_text", "function", "custom", "namespace",
        "local_shell", "tool_search", "grammar", "json_schema", "allowed_tools", "url_citation", "text",
    )
)  # fmt: skip
SEALS = st.sampled_from(
    ("E", "gw1~claude~~S", "gw1~gemini~call:c~G", "gw1~gemini~text~G", "gw1~x", "gw1~claude~redacted~R")
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | JSON,
            "role": st.sampled_from(("user", "assistant", "system", "developer")) | JSON,
            "content": some | st.text(max_size=3) | JSON,
            "summary": some | JSON,
            "encrypted_content": SEALS | JSON,
            "call_id": st.sampled_from(("c", "d:e")) | JSON,
            "id": st.sampled_from(("c", "rs_1")) | JSON,
            "name": st.sampled_from(("f", "local_shell", "tool_search")) | JSON,
            "namespace": st.just("n") | JSON,
            "arguments": st.just('{"a":1}') | JSON,
            "input": st.text(max_size=3) | JSON,
            "output": some | st.text(max_size=3) | JSON,
            "tools": some | JSON,
            "execution": st.just("client"),
            "text": st.text(max_size=3) | JSON,
            "annotations": some | JSON,
            "image_url": st.just("data:image/png;base64,AA==") | JSON,
            "file_data": st.just("AA==") | JSON,
            "result": st.just("AA==") | JSON,
            "action": JSON,
            "format": inner | JSON,
            "parameters": JSON,
            "strict": st.booleans() | JSON,
        },
    )


VALUES = st.recursive(JSON, objects, max_leaves=8)
REQUESTS = st.fixed_dictionaries(
    {"input": st.lists(objects(VALUES), max_size=4) | VALUES},
    optional={
        "tools": st.lists(objects(VALUES), max_size=3) | JSON,
        "tool_choice": objects(VALUES) | JSON,
        "text": objects(VALUES) | JSON,
        "instructions": st.text(max_size=3) | JSON,
        "reasoning": st.fixed_dictionaries({}, optional={"effort": st.text(max_size=3), "summary": JSON}) | JSON,
        "include": JSON,
        "store": JSON,
        "metadata": JSON,
        "max_output_tokens": JSON,
        "temperature": JSON,
        "service_tier": JSON,
        "truncation": JSON,
    },
)


@few
@given(REQUESTS)
def test_requests(body: dict[str, Any]) -> None:
    with contextlib.suppress(Malformed):
        request = WIRE.decode_request(Head("m", True, {}, msgspec.json.encode(body)))
        encoded = WIRE.encode_request(request, DIALECT)
        msgspec.json.encode(encoded.body)
        again = WIRE.decode_request(Head("m", True, {}, msgspec.json.encode(encoded.body)))
        assert WIRE.encode_request(again, DIALECT).body == encoded.body, (
            "what was written once is written the same again"
        )
        msgspec.json.encode(CHAT.encode_request(request, DIALECT).body)
        foreign = msgspec.structs.replace(request, origin="another")
        msgspec.json.encode(WIRE.encode_request(foreign, DIALECT).body)
        encoder = WIRE.stream_encoder(request, 1)
        encoder.close()


@few
@given(st.fixed_dictionaries({"output": st.lists(objects(VALUES), max_size=4)}) | JSON)
def test_answers(body: Any) -> None:
    raw = msgspec.json.encode(body)
    asked = WIRE.decode_request(WIRE.decode_head(b'{"model":"m","input":"x","tools":[{"type":"custom","name":"f"}]}'))
    with contextlib.suppress(Failed):
        WIRE.decode_answer(raw)
    with contextlib.suppress(Failed, Malformed):
        response = WIRE.decode_response(raw)
        msgspec.json.encode(WIRE.encode_response(response, asked).body)
        msgspec.json.encode(CHAT.encode_response(response, asked).body)


NAMES = st.sampled_from(
    (
        "response.created", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
        "response.output_text.done", "response.output_text.annotation.added", "response.refusal.delta",
        "response.refusal.done", "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta", "response.reasoning_summary_text.delta",
        "response.reasoning_text.delta", "response.output_item.done", "response.completed", "response.incomplete",
        "response.failed", "error",
    )
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"type": NAMES | JSON},
    optional={
        "delta": st.text(max_size=3) | JSON,
        "output_index": st.integers(0, 2) | JSON,
        "content_index": st.integers(0, 1) | JSON,
        "summary_index": st.integers(0, 1),
        "item_id": st.just("a") | JSON,
        "item": objects(VALUES) | JSON,
        "response": st.fixed_dictionaries({}, optional={"output": st.lists(objects(VALUES), max_size=2), "usage": JSON})
        | JSON,
        "annotation": VALUES,
        "text": st.text(max_size=3) | JSON,
        "error": st.none() | JSON,
    },
)


@few
@given(st.lists(EVENTS, max_size=12), st.integers(1, 40))
def test_streams(events: list[dict[str, Any]], step: int) -> None:
    raw = b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)
    asked = WIRE.decode_request(WIRE.decode_head(b'{"model":"m","input":"x","tools":[{"type":"custom","name":"f"}]}'))

    def read(size: int) -> list[Event]:
        decoder = WIRE.stream_decoder()
        out: list[Event] = []
        for at in range(0, len(raw), size):
            out += decoder.feed(raw[at : at + size])
            if out and isinstance(out[-1], Broke):
                return out
        return out + decoder.close()

    assert read(step) == read(len(raw) or 1)
    for client in (WIRE, CHAT):
        translation = Translation(WIRE.stream_decoder(), client.stream_encoder(asked, 1))
        translation.feed(raw)
        translation.finish()
    sniffer = WIRE.stream_sniffer(False)
    sniffer.feed(raw)
    sniffer.finish()


@few
@given(st.binary(max_size=60))
def test_bytes(body: bytes) -> None:
    with contextlib.suppress(Failed):
        WIRE.decode_answer(body)
    with contextlib.suppress(Failed, Malformed):
        WIRE.decode_response(body)
    WIRE.stream_decoder().feed(b"data: " + body + b"\n\n")
    WIRE.decode_error(500, {}, body, 0.0)
