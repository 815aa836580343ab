"""Translation bugs that gateways have had in requests, each under its number. The strict sandbox is the judge of what a
provider accepts."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from .kit import (
    CITY,
    CLIENTS,
    CLOCK,
    MODELS,
    WEATHER,
    WIRES,
    accepted,
    call,
    calls,
    chat,
    decoded,
    result,
    said,
    whole,
    written,
)

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and more").decode()
SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0}
upstreams = pytest.mark.parametrize("upstream", [wire for wire in WIRES if wire != "openai-chat"])


def image(url: str) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "?"}],
    }


def test_04_thinking_stands_before_the_calls_it_led_to() -> None:
    body = chat(
        "anthropic",
        said("hi"),
        calls(call("a"), reasoning_details=[SIGNED]),
        result("a"),
        tools=[WEATHER],
        reasoning_effort="low",
        max_tokens=4000,
    )
    assert body["thinking"]["type"] == "enabled"
    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "tool_use"]


def test_04_a_running_loop_without_its_thinking_is_not_asked_to_think() -> None:
    """Claude would answer 400: Expected `thinking`, but found `tool_use`."""
    history = {"model": "m", "messages": [said("hi"), calls(call("a")), result("a")], "tools": [WEATHER]}
    body, lost = written({**history, "reasoning_effort": "low", "max_tokens": 4000}, "openai-chat", "anthropic")
    assert "thinking" not in body
    assert "thinking" in lost
    accepted("anthropic", body)


def test_05_thinking_that_is_nothing_but_its_signature_stays() -> None:
    block = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    answer = {"id": "m", "model": "m", "content": [block, {"type": "text", "text": "hi"}], "stop_reason": "end_turn"}
    message = whole(answer, "anthropic", "openai-chat")["choices"][0]["message"]
    body = chat("anthropic", said("hi"), message, said("go on"))
    assert body["messages"][1]["content"][0] == block
    same, _ = written(
        {"model": "m", "max_tokens": 9, "messages": [said("hi"), {"role": "assistant", "content": [block]}]},
        "anthropic",
        "anthropic",
    )
    assert same["messages"][1]["content"] == [block]


def answer_and_result(client: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The next request of a client that keeps what it was answered and has run the tool that was called."""
    match client:
        case "openai-chat":
            message = answer["choices"][0]["message"]
            return {"model": "m", "messages": [said("hi"), message, result(message["tool_calls"][0]["id"])]}
        case "openai-responses":
            output = answer["output"]
            id_ = next(item["call_id"] for item in output if item["type"] == "function_call")
            last = {"type": "function_call_output", "call_id": id_, "output": "rain"}
            return {"model": "m", "input": [{"role": "user", "content": "hi"}, *output, last]}
        case "anthropic":
            id_ = next(block["id"] for block in answer["content"] if block["type"] == "tool_use")
            last = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id_, "content": "rain"}]}
            said_ = {"role": "assistant", "content": answer["content"]}
            return {"model": "m", "max_tokens": 9, "messages": [said("hi"), said_, last]}
        case "ollama":
            last = {"role": "tool", "content": "rain", "tool_name": "weather"}
            return {"model": "m", "messages": [said("hi"), answer["message"], last]}
    raise LookupError(client)


@pytest.mark.parametrize("client", ["openai-chat", "openai-responses", "anthropic"])
def test_07_the_signature_of_geminis_call_comes_back_on_that_call(client: str) -> None:
    part = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2lnbmF0dXJl"}
    answer = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]}
    request = answer_and_result(client, whole(answer, "gemini", client))
    body, lost = written(request, client, "gemini", "gemini-3-pro-preview")
    (back,) = (part for part in body["contents"][1]["parts"] if "functionCall" in part)
    assert back["thoughtSignature"] == "c2lnbmF0dXJl"
    assert not lost


def test_07_a_client_with_no_place_for_it_is_spared_the_400() -> None:
    part = {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": "c2lnbmF0dXJl"}
    answer = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}]}
    request = answer_and_result("ollama", whole(answer, "gemini", "ollama"))
    body, _ = written({**request, "tools": [WEATHER]}, "ollama", "gemini", "gemini-3-pro-preview")
    accepted("gemini", body, "gemini-3-pro-preview")


def test_09_results_of_parallel_calls_are_one_turn() -> None:
    history = (said("hi"), calls(call("a"), call("b", "clock", "{}")), result("a"), result("b", "noon"), said("and?"))
    claude = chat("anthropic", *history, tools=[WEATHER, CLOCK])
    assert [turn["role"] for turn in claude["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in claude["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    bedrock = chat("bedrock-converse", *history, tools=[WEATHER, CLOCK])
    assert [turn["role"] for turn in bedrock["messages"]] == ["user", "assistant", "user"]
    assert sum("toolResult" in block for block in bedrock["messages"][2]["content"]) == 2
    google = chat("gemini", *history, tools=[WEATHER, CLOCK])
    assert sum("functionResponse" in part for part in google["contents"][2]["parts"]) == 2
    for wire, body in (("anthropic", claude), ("bedrock-converse", bedrock), ("gemini", google)):
        accepted(wire, body)


EMPTY: dict[str, list[dict[str, Any]]] = {
    "an empty text of the user's": [said("")],
    "white space of the user's": [said(" \n")],
    "an empty part": [{"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "hi"}]}],
    "no parts": [{"role": "user", "content": []}],
    "an empty system text": [said("", "system"), said("hi")],
    "a blank system text": [said(" ", "system"), said("hi")],
    "an empty answer": [said("hi"), said("", "assistant"), said("and?")],
    "a blank answer": [said("hi"), said(" ", "assistant"), said("and?")],
    "no answer": [said("hi"), {"role": "assistant", "content": None}, said("and?")],
    "an answer that ends in a space": [said("hi"), said("you said ", "assistant")],
    "an empty text beside a call": [said("hi"), calls(call("a"), content=""), result("a")],
    "an empty result": [said("hi"), calls(call("a")), result("a", "")],
    "a blank result": [said("hi"), calls(call("a")), result("a", " ")],
    "nobody asks": [said("you are", "system")],
    "the model begins": [said("hello", "assistant"), said("hi")],
}


@pytest.mark.parametrize("wire", ["anthropic", "bedrock-converse"])
@pytest.mark.parametrize("name", EMPTY)
def test_10_no_text_is_blank_where_that_is_refused(name: str, wire: str) -> None:
    body = chat(wire, *EMPTY[name], tools=[WEATHER])
    accepted(wire, body)
    texts = re.findall(r'"text": "((?:[^"\\]|\\.)*)"', json.dumps(body))
    assert all(text.strip() for text in texts)


def test_11_a_system_text_in_the_middle_stays_there() -> None:
    """Moved to the top it would change what precedes a cached prompt; between a call and its result it would be refused."""
    history = (
        said("be brief", "system"),
        said("hi"),
        calls(call("a")),
        said("the user is away", "system"),
        result("a"),
        said("go on"),
    )
    for wire in ("anthropic", "bedrock-converse", "gemini"):
        body = chat(wire, *history, tools=[WEATHER])
        accepted(wire, body)
        assert "away" not in json.dumps(body.get("system", body.get("systemInstruction")))
        turns = body.get("messages") or body["contents"]
        last = json.dumps(turns[2])
        assert last.index("rain") < last.index("the user is away") < last.index("go on")
    assert chat("openai-responses", *history)["input"][2]["role"] == "system"


def test_19_cache_marks_on_system_and_tools_are_kept() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    body = {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "long", "cache_control": mark}],
        "tools": [{"name": "f", "input_schema": CITY, "cache_control": mark}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": mark}]}],
    }
    assert written(body, "anthropic", "anthropic")[0] == {**body, "model": MODELS["anthropic"]}
    bedrock, lost = written(body, "anthropic", "bedrock-converse")
    points = [bedrock["system"], bedrock["toolConfig"]["tools"], bedrock["messages"][0]["content"]]
    assert all("cachePoint" in blocks[-1] for blocks in points)
    assert not lost
    chat_, lost = written(body, "anthropic", "openai-chat", None, "cache_control")
    assert chat_["messages"][0]["content"][0]["cache_control"] == mark
    assert chat_["tools"][0]["cache_control"] == mark
    assert not lost
    assert "cache_control" in written(body, "anthropic", "openai-chat")[1]


ZEROS = {"temperature": 0, "top_p": 0, "seed": 0, "presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0}


@upstreams
def test_20_zero_and_false_are_values(upstream: str) -> None:
    """What the wire can say is said: 0 is not the same as nothing."""
    body = {"model": "m", "messages": [said("hi")], "tools": [WEATHER], "parallel_tool_calls": False}
    text = json.dumps(written({**body, "temperature": 0}, "openai-chat", upstream, "claude-3-haiku")[0])
    assert '"temperature": 0' in text
    assert "0.0" not in text, "an integer stays one"
    out, lost = written(body, "openai-chat", upstream)
    assert "alse" in json.dumps(out) or '"disable_parallel_tool_use": true' in json.dumps(out) or lost


def test_20_zero_and_false_are_values_on_the_same_wire() -> None:
    body = {
        "model": "m",
        "messages": [said("hi")],
        **ZEROS,
        "logprobs": False,
        "store": False,
        "user": "",
        "stop": None,
    }
    assert written(body, "openai-chat", "openai-chat", "m")[0] == body


def test_21_images_by_url_and_by_bytes() -> None:
    there, here = image("https://x.test/a.png"), image(f"data:image/png;base64,{PNG}")
    assert chat("gemini", there)["contents"][0]["parts"][0]["fileData"]["fileUri"] == "https://x.test/a.png"
    assert chat("gemini", here)["contents"][0]["parts"][0]["inlineData"] == {"mimeType": "image/png", "data": PNG}
    assert chat("anthropic", there)["messages"][0]["content"][0]["source"]["type"] == "url"
    assert chat("anthropic", here)["messages"][0]["content"][0]["source"]["data"] == PNG
    bedrock = chat("bedrock-converse", here)["messages"][0]["content"][0]["image"]
    assert bedrock == {"format": "png", "source": {"bytes": PNG}}
    for wire in ("bedrock-converse", "ollama"):
        _, lost = written({"model": "m", "messages": [there]}, "openai-chat", wire)
        assert "image.url" in lost, "what cannot be fetched is reported, never dropped in silence"


@pytest.mark.parametrize("said_", ["image/jpeg", "application/octet-stream", ""])
def test_21_an_image_is_what_its_bytes_say(said_: str) -> None:
    """Anthropic and Bedrock refuse a PNG that is called a JPEG."""
    body = chat("anthropic", image(f"data:{said_};base64,{PNG}"))
    assert body["messages"][0]["content"][0]["source"]["media_type"] == "image/png"


HARD = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "propertyNames": {"pattern": "^[a-z]+$"},
    "properties": {
        "unit": {"anyOf": [{"const": "c"}, {"const": "f"}, {"type": "null"}]},
        "place": {"$ref": "#/$defs/place", "description": "where"},
        "when": {"type": ["string", "null"], "format": "date"},
        "some": {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 0}},
    },
    "required": ["place"],
    "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string", "examples": ["Oslo"]}}}},
}


@pytest.mark.parametrize("model", ["gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-pro-preview"])
def test_22_schemas_are_said_in_geminis_words(model: str) -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "d", "parameters": HARD}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": HARD}}
    accepted("gemini", chat("gemini", said("hi"), model=model, tools=[tool]), model)
    body = chat("gemini", said("hi"), model=model, response_format=form)
    accepted("gemini", body, model)
    assert "city" in json.dumps(body), "what a reference means is not lost"


@pytest.mark.parametrize("id_", ["call:1/ü", "x" * 100, "a b", "functions.weather:0", ""])
@upstreams
def test_23_ids_of_calls_are_made_fit_the_same_way_everywhere(upstream: str, id_: str) -> None:
    history = (said("hi"), calls(call(id_), call("fine-1", "clock", "{}")), result(id_), result("fine-1"))
    body = chat(upstream, *history, tools=[WEATHER, CLOCK])
    accepted(upstream, body)
    found = re.findall(r'"(?:id|tool_use_id|call_id|toolUseId|tool_call_id)": "([^"]*)"', json.dumps(body))
    assert len(found) == 4
    assert len(set(found)) == 2, "a call and its result have the same id"
    assert "fine-1" in found, "what fits is left alone"
    if upstream in ("anthropic", "bedrock-converse", "openai-responses"):
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", each) for each in found)


FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": CITY, "strict": True}}


@pytest.mark.parametrize("model", ["claude-sonnet-4-20250514", "claude-3-5-haiku-latest", "claude-sonnet-4-5"])
@pytest.mark.parametrize("effort", [None, "high"])
@pytest.mark.parametrize("tools", [[], [WEATHER]])
def test_24_a_structured_answer_does_not_clash(model: str, effort: str | None, tools: list[dict[str, Any]]) -> None:
    """With thinking no tool may be forced, and the caller's own tools stay."""
    fields: dict[str, Any] = {"response_format": FORM, "max_tokens": 4000, "tools": tools}
    if effort is not None:
        fields["reasoning_effort"] = effort
    body = chat("anthropic", said("hi"), model=model, **fields)
    accepted("anthropic", body, model)
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    assert not (forced and "thinking" in body)
    names = [tool["name"] for tool in body.get("tools", ())]
    assert len(names) == len(set(names))
    assert ("weather" in names) == bool(tools)
    native = body.get("output_config", {}).get("format")
    assert native or len(names) == len(tools) + 1


@pytest.mark.parametrize("most", [500, 1024, 1025, 1500, 8192, 64000])
@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high"])
def test_25_a_budget_is_below_max_tokens_which_is_never_raised(most: int, effort: str) -> None:
    request = {"model": "m", "messages": [said("hi")], "max_tokens": most, "reasoning_effort": effort}
    for wire in ("anthropic", "bedrock-converse"):
        body, lost = written(request, "openai-chat", wire)
        accepted(wire, body)
        said_ = body["max_tokens"] if wire == "anthropic" else body["inferenceConfig"]["maxTokens"]
        assert said_ == most, "the caller pays for no more than was asked for"
        more = body if wire == "anthropic" else body.get("additionalModelRequestFields", {})
        thinking = more.get("thinking") or more.get("reasoning_config")
        if thinking is None:
            assert "thinking" in lost
            assert most <= 1024
        else:
            assert 1024 <= thinking["budget_tokens"] < most


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 2048}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576}),
        ("gemini-3-pro-preview", "low", {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", "high", {"thinkingLevel": "HIGH"}),
        ("gemini-2.0-flash", "high", None),
    ],
)
def test_26_effort_is_a_budget_or_a_level_by_the_models_generation(
    model: str, effort: str, config: dict[str, Any] | None
) -> None:
    body = chat("gemini", said("hi"), model=model, reasoning_effort=effort)
    accepted("gemini", body, model)
    given = body.get("generationConfig", {}).get("thinkingConfig")
    if config is None:
        assert given is None
    else:
        assert config.items() <= given.items()


TOOLS: dict[str, dict[str, Any]] = {
    "nothing but a name": {"name": "f"},
    "an empty description": {"name": "f", "description": "", "parameters": CITY},
    "null parameters": {"name": "f", "description": "d", "parameters": None},
    "empty parameters": {"name": "f", "description": "d", "parameters": {}},
    "no properties": {"name": "f", "description": "d", "parameters": {"type": "object"}},
    "null strict": {"name": "f", "description": "d", "parameters": CITY, "strict": None},
    "strict": {"name": "f", "parameters": {**CITY, "additionalProperties": False}, "strict": True},
    "anyOf at the top": {"name": "f", "parameters": {"anyOf": [CITY, {"type": "object", "properties": {"x": {}}}]}},
    "hard": {"name": "f", "parameters": HARD},
}


@pytest.mark.parametrize("name", TOOLS)
@upstreams
def test_28_tools_of_every_shape_are_accepted_everywhere(upstream: str, name: str) -> None:
    accepted(upstream, chat(upstream, said("hi"), tools=[{"type": "function", "function": TOOLS[name]}, WEATHER]))


@pytest.mark.parametrize("client", [client for client in CLIENTS if client != "openai-chat"])
@upstreams
def test_28_tools_of_every_client_are_accepted_everywhere(upstream: str, client: str) -> None:
    request, _ = written({"model": "m", "messages": [said("hi")], "tools": [WEATHER, CLOCK]}, "openai-chat", client)
    names = [tool.name for tool in decoded(client, request).tools if hasattr(tool, "name")]
    assert names == ["weather", "clock"]
    accepted(upstream, written(request, client, upstream)[0])
