"""Translation bugs that gateways have had in streams, each under its number, held over every pair of wires."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from gateway.failure import Failed, Kind

from .kit import CLIENTS, WIRES, calls_in, finish_in, frames, sse, streamed, translated, whole

PAIRS = [pair for pair in product(WIRES, CLIENTS) if pair[0] != pair[1]]
pairs = pytest.mark.parametrize(("upstream", "client"), PAIRS)

TOOL_WORDS = {
    "openai-chat": "tool_calls",
    "openai-responses": "completed",
    "anthropic": "tool_use",
    "gemini": "STOP",
    "ollama": "stop",
}
LENGTH = {
    "openai-chat": "length",
    "openai-responses": "max_output_tokens",
    "anthropic": "max_tokens",
    "gemini": "MAX_TOKENS",
    "ollama": "length",
}
FILTERED = {
    "openai-chat": "content_filter",
    "openai-responses": "content_filter",
    "anthropic": "refusal",
    "gemini": "SAFETY",
    "ollama": "content_filter",
}


@pairs
def test_01_parallel_streamed_calls_have_their_own_index(upstream: str, client: str) -> None:
    data = streamed(upstream, ":tool=weather,clock,weather", tools=True)
    found = calls_in(client, translated(data, upstream, client))
    assert [name for _, name, _ in found] == ["weather", "clock", "weather"]
    assert len({id_ for id_, _, _ in found}) == 3
    assert all(isinstance(arguments, dict) for _, _, arguments in found)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


@pytest.mark.parametrize("client", CLIENTS)
def test_02_calls_without_an_index_are_told_apart_by_their_place(client: str) -> None:
    first = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":'}}
    second = {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"y":'}}
    data = sse(
        chunk({"role": "assistant", "tool_calls": [first, second]}),
        chunk({"tool_calls": [{"function": {"arguments": "1}"}}, {"function": {"arguments": "2}"}}]}),
        chunk({}, "tool_calls"),
        done=True,
    )
    found = calls_in(client, translated(data, "openai-chat", client))
    assert [(name, arguments) for _, name, arguments in found] == [("f", {"x": 1}), ("g", {"y": 2})]


@pytest.mark.parametrize("client", CLIENTS)
def test_02_calls_that_all_say_index_0_are_told_apart_by_their_ids(client: str) -> None:
    rows = [
        {"index": 0, "id": id_, "function": {"name": name, "arguments": given}}
        for id_, name, given in (("a", "f", '{"x":1}'), ("b", "g", '{"y":2}'))
    ]
    data = sse(*(chunk({"tool_calls": [row]}) for row in rows), chunk({}, "tool_calls"), done=True)
    found = calls_in(client, translated(data, "openai-chat", client))
    assert [(name, arguments) for _, name, arguments in found] == [("f", {"x": 1}), ("g", {"y": 2})]


@pairs
def test_03_arguments_arrive_whole_and_no_call_is_empty(upstream: str, client: str) -> None:
    data = streamed(upstream, ":tool=weather,clock", tools=True)
    own = {name: arguments for _, name, arguments in calls_in("openai-chat", translated_to_chat(data, upstream))}
    found = calls_in(client, translated(data, upstream, client))
    assert {name: arguments for _, name, arguments in found} == own
    assert own["weather"].keys() == {"city"}
    assert own["clock"] == {}, "a call without arguments has an object all the same"


def translated_to_chat(data: bytes, upstream: str) -> bytes:
    return data if upstream == "openai-chat" else translated(data, upstream, "openai-chat")


@pairs
def test_12_a_stream_with_calls_ends_as_one(upstream: str, client: str) -> None:
    data = translated(streamed(upstream, ":tool=weather", tools=True), upstream, client)
    assert finish_in(client, frames(client, data)) == [TOOL_WORDS[client]]


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "gemini"])
def test_12_a_finish_that_comes_without_content_knows_of_the_calls_before_it(client: str) -> None:
    call = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}
    data = sse(
        {"candidates": [{"index": 0, "content": {"role": "model", "parts": [call]}}]},
        {"candidates": [{"index": 0, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 1}},
    )
    assert finish_in(client, frames(client, translated(data, "gemini", client))) == [TOOL_WORDS[client]]


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "openai-chat"])
def test_13_a_finish_on_every_chunk_is_one_finish(client: str) -> None:
    data = sse(chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "stop"), chunk({}, "length"), done=True)
    out = translated(data, "openai-chat", client)
    assert finish_in(client, frames(client, out)) == [LENGTH[client]]


@pairs
def test_13_a_cut_answer_says_so(upstream: str, client: str) -> None:
    out = translated(streamed(upstream, ":tokens=5:finish=length"), upstream, client)
    assert finish_in(client, frames(client, out)) == [LENGTH[client]]


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "gemini"])
def test_14_a_malformed_call_is_no_answer(client: str) -> None:
    """Whole or streamed: it is the provider's failure, about which routing can do something."""
    answer = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "content": {}}]}
    for given in (lambda: whole(answer, "gemini", client), lambda: translated(sse(answer), "gemini", client)):
        with pytest.raises(Failed) as caught:
            given()
        assert caught.value.failure.kind is Kind.BAD_RESPONSE


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "gemini"])
@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "RECITATION"])
def test_14_a_filtered_answer_does_not_end_as_if_it_were_complete(client: str, reason: str) -> None:
    answer = {"candidates": [{"finishReason": reason, "content": {"parts": [{"text": "a"}], "role": "model"}}]}
    assert finish_in(client, [whole(answer, "gemini", client)]) == [FILTERED[client]]
    assert finish_in(client, frames(client, translated(sse(answer), "gemini", client))) == [FILTERED[client]]


@pytest.mark.parametrize("upstream", [wire for wire in WIRES if wire != "openai-chat"])
def test_15_usage_comes_in_a_chunk_without_choices(upstream: str) -> None:
    rows = frames("openai-chat", translated(streamed(upstream, ":tokens=5"), upstream, "openai-chat"))
    assert all(row["usage"] is None for row in rows[:-1])
    assert rows[-1]["choices"] == []
    usage = rows[-1]["usage"]
    assert usage["completion_tokens"] == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5


@pytest.mark.parametrize("upstream", ["gemini", "openai-responses"])
def test_15_reasoning_tokens_are_not_lost(upstream: str) -> None:
    data = streamed(upstream, ":tokens=5:reasoning=7")
    usage = frames("openai-chat", translated(data, upstream, "openai-chat"))[-1]["usage"]
    assert usage["completion_tokens"] == 12
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 7


@pytest.mark.parametrize("upstream", [wire for wire in WIRES if wire != "anthropic"])
def test_16_an_upstream_without_usage_leaves_no_hole(upstream: str) -> None:
    rows = frames("anthropic", translated(streamed(upstream, ":tokens=3:no-usage"), upstream, "anthropic"))
    (start,) = (row for row in rows if row["type"] == "message_start")
    (last,) = (row for row in rows if row["type"] == "message_delta")
    for usage in (start["message"]["usage"], last["usage"]):
        assert isinstance(usage["input_tokens"], int)
        assert isinstance(usage["output_tokens"], int)


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "anthropic"])
def test_17_snapshots_of_usage_are_not_added_up(client: str) -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1, "output_tokens": 1}
    data = sse(
        {"type": "message_start", "message": {"id": "m", "model": "m", "content": [], "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {}, "usage": {**usage, "output_tokens": 5}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {**usage, "output_tokens": 9}},
        {"type": "message_stop"},
    )
    assert counts(client, frames(client, translated(data, "anthropic", client))) == (15, 9)


def counts(client: str, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """(input with what was cached, output) by a client's last word."""
    match client:
        case "openai-chat":
            usage = rows[-1]["usage"]
            return usage["prompt_tokens"], usage["completion_tokens"]
        case "openai-responses":
            usage = rows[-1]["response"]["usage"]
            return usage["input_tokens"], usage["output_tokens"]
        case "gemini":
            usage = rows[-1]["usageMetadata"]
            return usage["promptTokenCount"], usage["candidatesTokenCount"]
        case "anthropic":
            usage = next(row["usage"] for row in reversed(rows) if row.get("type") == "message_delta")
            cached = usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
            return usage["input_tokens"] + cached, usage["output_tokens"]
        case _:
            return rows[-1]["prompt_eval_count"], rows[-1]["eval_count"]


def test_17_the_start_says_the_input_where_it_is_known() -> None:
    data = streamed("bedrock-converse", ":tokens=3")
    rows = frames("anthropic", translated(data, "bedrock-converse", "anthropic"))
    assert counts("anthropic", rows)[1] == 3


@pairs
def test_18_cached_tokens_are_counted_once(upstream: str, client: str) -> None:
    """A part of the input for some, beside it for others; the sum is the same for all."""
    data = streamed(upstream, ":tokens=2:cached=1")
    plain = streamed(upstream, ":tokens=2")
    assert counts(client, frames(client, translated(data, upstream, client))) == counts(
        client, frames(client, translated(plain, upstream, client))
    )


def test_18_cached_tokens_are_a_part_for_openai_and_apart_for_anthropic() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 80}}
    answer = {"id": "c", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": usage}
    there = whole(answer, "openai-chat", "anthropic")
    assert (there["usage"]["input_tokens"], there["usage"]["cache_read_input_tokens"]) == (20, 80)
    back = whole(there, "anthropic", "openai-chat")["usage"]
    assert (back["prompt_tokens"], back["prompt_tokens_details"]["cached_tokens"]) == (100, 80)
    google = whole(there, "anthropic", "gemini")["usageMetadata"]
    assert (google["promptTokenCount"], google["cachedContentTokenCount"]) == (100, 80)
    assert json.dumps(there)
