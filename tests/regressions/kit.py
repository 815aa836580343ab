"""What the regressions share: documents over wires, and the sandbox as a judge of what a provider accepts."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec

from gateway.failure import Failed
from gateway.ir.chat import Request
from gateway.protocols import PROTOCOLS, translate
from gateway.protocols.contract import Dialect
from gateway.sandbox.answer import Sandbox
from gateway.sandbox.wires import Wire
from tests.sandbox.speaking import TONGUES, bytes_of, events_of, frames_of, lines_of

WIRES = sorted(PROTOCOLS)
CLIENTS = ("anthropic", "gemini", "ollama", "openai-chat", "openai-responses")
MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "bedrock-converse": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
    "gemini": "gemini-2.5-flash",
    "ollama": "llama3",
    "openai-chat": "gpt-4.1",
    "openai-responses": "gpt-5.1",
}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": CITY}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": text}


def call(id_: str, name: str = "weather", arguments: str = '{"city":"Oslo"}', **more: Any) -> dict[str, Any]:
    """A call in a chat message."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def calls(*given: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A chat message of the model's that is calls."""
    return {"role": "assistant", "content": None, "tool_calls": list(given), **more}


def result(id_: str, text: str = "rain") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": text}


def decoded(wire: str, body: dict[str, Any], stream: bool = False) -> Request:
    """A client's request in the IR."""
    protocol = PROTOCOLS[wire]
    in_path = protocol.endpoint("m", False) != protocol.endpoint("n", False)
    given = ("m", stream) if in_path else (None, None)
    return translate.request_of(protocol, protocol.decode_head(json.dumps(body).encode(), *given))


def written(
    body: dict[str, Any], source: str, target: str, model: str | None = None, *quirks: str
) -> tuple[dict[str, Any], list[str]]:
    """A request on another wire, and the names of what was lost."""
    dialect = Dialect("p", model or MODELS[target], frozenset(quirks))
    encoded = translate.encoded(PROTOCOLS[target], decoded(source, body), dialect)
    return json.loads(msgspec.json.encode(encoded.body)), [each.field for each in encoded.dropped]


def chat(target: str, *messages: dict[str, Any], model: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chat client's request on another wire."""
    return written({"model": "m", "messages": list(messages), **fields}, "openai-chat", target, model)[0]


def asked(wire: str, body: dict[str, Any], model: str, stream: bool = False) -> tuple[int, bytes]:
    """What the sandbox says to a request on this wire."""
    body = {**body, "model": model} if "model" in body else body
    tongue = TONGUES[Wire(wire)]
    plan = Sandbox(Wire(wire)).answer(
        "POST", "/v1" + PROTOCOLS[wire].endpoint(model, stream), tongue.headers, json.dumps(body).encode()
    )
    return plan.status, bytes_of(plan)


def accepted(wire: str, body: dict[str, Any], model: str | None = None) -> None:
    """Fails with the provider's complaint where it would refuse the request."""
    status, answer = asked(wire, body, model or MODELS[wire].replace(":", "-"))
    assert status == 200, (answer.decode(), body)


@cache
def streamed(wire: str, words: str, tools: bool = False) -> bytes:
    """A stream of the sandbox whose model has these words."""
    request = Request(origin="openai-chat", model="m", messages=(), stream=True, stream_usage=True)
    body = {"model": "m", "messages": [said("hello")], "stream": True, "stream_options": {"include_usage": True}}
    if tools:
        body["tools"] = [WEATHER, CLOCK]
    request = decoded("openai-chat", body)
    encoded = translate.encoded(PROTOCOLS[wire], request, Dialect("p", MODELS[wire], frozenset()))
    status, data = asked(wire, json.loads(msgspec.json.encode(encoded.body)), f"sandbox{words}", True)
    assert status == 200, data
    return data


def translated(data: bytes, source: str, client: str) -> bytes:
    """A stream on a client's wire. Raises `Failed`."""
    request = Request(origin=client, model="m", messages=(), stream=True, stream_usage=True)
    encoder = PROTOCOLS[client].stream_encoder(request, 1_700_000_000)
    translation = translate.Translation(PROTOCOLS[source].stream_decoder(), encoder, None, "m")
    out = b"".join(translation.feed(data[at : at + 97]) for at in range(0, len(data), 97)) + translation.finish()
    if translation.failure is not None:
        raise Failed(translation.failure)
    return out


def whole(body: dict[str, Any], source: str, client: str) -> dict[str, Any]:
    """A whole answer on a client's wire. Raises `Failed`."""
    request = Request(origin=client, model="m", messages=())
    raw = json.dumps(body).encode()
    encoded, _ = translate.answer(PROTOCOLS[source], PROTOCOLS[client], request, raw, None, 1_700_000_000)
    out: dict[str, Any] = json.loads(msgspec.json.encode(encoded.body))
    return out


def frames(wire: str, data: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's frames."""
    read = {"ollama": lines_of, "bedrock-converse": events_of}.get(wire, frames_of)
    return read(data)


def sse(*values: dict[str, Any], done: bool = False) -> bytes:
    """A stream of events, as Anthropic and OpenAI write it."""
    out = [
        (f"event: {value['type']}\n" if "type" in value else "") + f"data: {json.dumps(value)}\n\n" for value in values
    ]
    return "".join(out).encode() + (b"data: [DONE]\n\n" if done else b"")


def calls_in(wire: str, data: bytes) -> list[tuple[str, str, Any]]:
    """(id, name, arguments) of the calls in a client's stream, put together as a client does it: by index."""
    rows = frames(wire, data)
    found: dict[Any, list[Any]] = {}
    for row in rows:
        if wire == "openai-chat":
            for choice in row["choices"]:
                for part in choice["delta"].get("tool_calls", ()):
                    open_ = found.setdefault(part["index"], ["", "", ""])
                    open_[0] += part.get("id", "")
                    open_[1] += part["function"].get("name", "")
                    open_[2] += part["function"].get("arguments", "")
        elif wire == "anthropic":
            block = row.get("content_block", {})
            if block.get("type") == "tool_use":
                found[row["index"]] = [block["id"], block["name"], ""]
            elif row.get("delta", {}).get("type") == "input_json_delta":
                found[row["index"]][2] += row["delta"]["partial_json"]
        elif wire == "openai-responses":
            if row["type"] == "response.output_item.added" and row["item"]["type"] == "function_call":
                found[row["output_index"]] = [row["item"]["call_id"], row["item"]["name"], ""]
            elif row["type"] == "response.function_call_arguments.delta":
                found[row["output_index"]][2] += row["delta"]
        elif wire == "gemini":
            for candidate in row.get("candidates", ()):
                for part in candidate.get("content", {}).get("parts", ()):
                    if "functionCall" in part:
                        one = part["functionCall"]
                        found[len(found)] = [one.get("id"), one["name"], json.dumps(one["args"])]
        else:
            for one in row.get("message", {}).get("tool_calls", ()):
                found[len(found)] = [one.get("id"), one["function"]["name"], json.dumps(one["function"]["arguments"])]
    return [(id_, name, json.loads(arguments)) for id_, name, arguments in found.values()]


def finish_in(wire: str, answer: list[dict[str, Any]]) -> list[str]:
    """Every finish reason that the frames of a stream (or a whole answer) say, in order."""
    out: list[Any] = []
    for row in answer:
        if wire == "openai-chat":
            out += [choice.get("finish_reason") for choice in row["choices"]]
        elif wire == "anthropic":
            out.append(row.get("delta", {}).get("stop_reason") if "delta" in row else row.get("stop_reason"))
        elif wire == "gemini":
            out += [candidate.get("finishReason") for candidate in row.get("candidates", ())]
        elif wire == "ollama":
            out.append(row.get("done_reason"))
        else:
            response = row.get("response", row)
            reason = (response.get("incomplete_details") or {}).get("reason")
            if response.get("status") in ("completed", "incomplete") and "output" in response:
                out.append(reason or "completed")
    return [word for word in out if word is not None]
