"""The sandbox on OpenAI's chat wire: a request body and a script → a plan of bytes.

Source: https://platform.openai.com/docs/api-reference/chat. Ids and times come from a hash of the request.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

from gateway.sandbox.content import Said, say
from gateway.sandbox.plan import End, Pause, Plan, Step
from gateway.sandbox.script import Script, parse

_JSON: Final = (("content-type", "application/json"),)
_SSE: Final = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
_EPOCH: Final = 1_700_000_000

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
}


def error_body(status: int, message: str, code: str | None, param: str | None = None) -> bytes:
    """OpenAI's error envelope."""
    type_ = "insufficient_quota" if code == "insufficient_quota" else _TYPES.get(status, "server_error")
    return msgspec.json.encode({"error": {"message": message, "type": type_, "param": param, "code": code}})


def refusal(status: int, message: str, code: str | None = None, param: str | None = None) -> Plan:
    """A plan that is an error."""
    return Plan(status, _JSON, (error_body(status, message, code, param),))


def models() -> Plan:
    """GET /v1/models."""
    names = ("sandbox", "echo")
    data = [{"id": name, "object": "model", "created": _EPOCH, "owned_by": "sandbox"} for name in names]
    return Plan(200, _JSON, (msgspec.json.encode({"object": "list", "data": data}),))


def chat(body: bytes, header: str | None, failures: dict[str, int]) -> Plan:
    """POST /v1/chat/completions. `failures` counts, by model, the requests that have failed for `fail=N`."""
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return refusal(400, "We could not parse the JSON body of your request.")
    if not isinstance(request, dict):
        return refusal(400, "The body must be a JSON object.")
    model, messages = request.get("model"), request.get("messages")
    if not isinstance(model, str):
        return refusal(400, "You must provide a model parameter.", "missing_required_parameter", "model")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return refusal(400, "'messages' must be an array of objects.", "invalid_type", "messages")
    if not messages:
        return refusal(400, "[] is too short - 'messages'", "invalid_value", "messages")
    try:
        script = parse(model, header)
    except ValueError as error:
        return refusal(400, str(error), "invalid_value", "model")
    if script.fail is not None:
        failures[model] = failures.get(model, 0) + 1
        if failures[model] > script.fail:
            script = msgspec.structs.replace(script, status=None)
        elif script.status is None:
            script = msgspec.structs.replace(script, status=500)
    return _plan(request, model, messages, script, body)


def _plan(request: dict[str, Any], model: str, messages: list[dict[str, Any]], script: Script, body: bytes) -> Plan:
    before: tuple[Step, ...] = (Pause(script.latency),) if script.latency else ()
    if script.refuse:
        return Plan(0, (), (), (*before, End.RESET))
    if script.stall:
        return Plan(0, (), (), (*before, End.STALL))
    if script.status is not None:
        extra = (("retry-after", script.retry_after),) if script.retry_after is not None else ()
        text = error_body(script.status, f"The sandbox was asked for {script.status}.", script.code)
        return Plan(script.status, (*_JSON, *extra), (text,), before)
    if script.garbage:
        return Plan(200, _JSON, (b"<html><body>502 Bad Gateway</body></html>",), before)
    if script.empty:
        return Plan(200, _JSON, (b"",), before)
    if script.error_in_200:
        return Plan(200, _JSON, (error_body(500, "The sandbox failed inside a 200.", "server_error"),), before)
    said = _say(request, messages, script)
    digest = sha256(body).hexdigest()
    base = {"id": f"chatcmpl-{digest[:24]}", "created": _EPOCH + int(digest[:5], 16), "model": model}
    usage = None if script.no_usage else _usage(said)
    if request.get("stream") is True:
        return Plan(200, _SSE, tuple(_stream(request, base, said, usage, script)), before)
    whole = _whole(request, base, said, usage)
    if script.cut:
        half = len(whole) // 2
        return Plan(200, (*_JSON, ("content-length", str(len(whole)))), (whole[:half], End.RESET), before)
    return Plan(200, _JSON, (whole,), before)


def _say(request: dict[str, Any], messages: list[dict[str, Any]], script: Script) -> Said:
    tools = [tool["function"] for tool in request.get("tools") or () if isinstance(tool.get("function"), dict)]
    choice = request.get("tool_choice")
    forced = script.tool
    if isinstance(choice, dict):
        forced = (choice.get("function") or {}).get("name")
    elif choice == "required" and tools and forced is None:
        forced = tools[0].get("name")
    format_ = request.get("response_format") or {}
    most = request.get("max_completion_tokens")
    most = request.get("max_tokens") if most is None else most
    stop = request.get("stop")
    return say(
        messages,
        tools=tools if choice != "none" else [],
        forced=forced if choice != "none" else None,
        schema=(format_.get("json_schema") or {}).get("schema"),
        wants_json=format_.get("type") == "json_object",
        most=most if isinstance(most, int) else None,
        stops=[stop] if isinstance(stop, str) else [each for each in stop or () if isinstance(each, str)],
        tokens=script.tokens,
        reasoning=script.reasoning,
        seed=script.seed,
    )


def _usage(said: Said) -> dict[str, Any]:
    output = len(said.pieces) + len(said.reasoning) + sum(len(call.arguments) // 4 + 1 for call in said.calls)
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": said.prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(said.reasoning), "audio_tokens": 0},
    }


def _count(request: dict[str, Any]) -> int:
    n = request.get("n")
    return n if isinstance(n, int) and 1 <= n <= 16 else 1


def _whole(request: dict[str, Any], base: dict[str, Any], said: Said, usage: dict[str, Any] | None) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.pieces) or None, "refusal": None}
    if said.reasoning:
        message["reasoning_content"] = "".join(said.reasoning)
    if said.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in said.calls
        ]
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": said.finish}
        for index in range(_count(request))
    ]
    answer = {**base, "object": "chat.completion", "choices": choices, "system_fingerprint": "fp_sandbox"}
    if usage is not None:
        answer["usage"] = usage
    return msgspec.json.encode(answer)


def _stream(
    request: dict[str, Any], base: dict[str, Any], said: Said, usage: dict[str, Any] | None, script: Script
) -> list[Step]:
    """The frames, with the pauses and the ends that the script asks for."""
    wants_usage = (request.get("stream_options") or {}).get("include_usage") is True and usage is not None

    def frame(choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = {**base, "object": "chat.completion.chunk", "choices": choices, **more}
        if wants_usage and "usage" not in more:
            chunk["usage"] = None
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"

    def delta(index: int, finish: str | None = None, **fields: Any) -> bytes:
        return frame([{"index": index, "delta": fields, "logprobs": None, "finish_reason": finish}])

    steps: list[Step] = []
    pause = 1.0 / script.rate if script.rate is not None else 0.0
    for index in range(_count(request)):
        pieces = [delta(index, reasoning_content=piece) for piece in said.reasoning]
        pieces += [delta(index, content=piece) for piece in said.pieces]
        for at, call in enumerate(said.calls):
            head = {"index": at, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
            pieces.append(delta(index, tool_calls=[head]))
            for start in range(0, len(call.arguments), 8):
                part = {"index": at, "function": {"arguments": call.arguments[start : start + 8]}}
                pieces.append(delta(index, tool_calls=[part]))
        steps.append(delta(index, role="assistant", content="", refusal=None))
        for number, piece in enumerate(pieces):
            end = _end_at(number, script)
            if end is not None:
                return [*_split(steps, script), *end]
            if pause:
                steps.append(Pause(pause))
            steps.append(piece)
        end = _end_at(len(pieces), script)
        if end is not None:
            return [*_split(steps, script), *end]
        steps.append(delta(index, said.finish))
    if wants_usage:
        steps.append(frame([], usage=usage))
    if not script.no_done:
        steps.append(b"data: [DONE]\n\n")
    return _split(steps, script)


def _end_at(number: int, script: Script) -> list[Step] | None:
    """What ends the stream before its piece of this number."""
    if script.cut_at == number or (script.cut and number == 1):
        return [End.RESET]
    if script.stall_at == number:
        return [End.STALL]
    if script.error_at == number:
        return [b"data: " + error_body(500, "The sandbox failed in the middle.", "server_error") + b"\n\n"]
    return None


def _split(steps: list[Step], script: Script) -> list[Step]:
    """The same bytes, torn at every seventh."""
    if not script.split:
        return steps
    data = b"".join(step for step in steps if isinstance(step, bytes))
    return [data[at : at + 7] for at in range(0, len(data), 7)]
