"""The sandbox on Bedrock's wire: AWS's own SDK over a socket, the framing, streams against whole answers, any request."""

from __future__ import annotations

import asyncio
import json
from binascii import crc32
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EventStreamError
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.event_stream import event, message
from gateway.sandbox.plan import Plan
from gateway.sandbox.serve import Upstream, start
from gateway.sandbox.wires import Wire

from .speaking import bytes_of, events_of

ASK: Any = [{"role": "user", "content": [{"text": "one two three"}]}]
GOLDEN = Path(__file__).parent / "golden" / "bedrock-converse"
NAMES = sorted(path.name.removesuffix(".request.json") for path in GOLDEN.glob("*.request.json"))
TOOLS: Any = {
    "tools": [
        {
            "toolSpec": {
                "name": "weather",
                "description": "The weather of a city.",
                "inputSchema": {
                    "json": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
                },
            }
        }
    ]
}


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    upstream = await start(wire=Wire.BEDROCK)
    yield upstream
    await upstream.close()
    await asyncio.sleep(0)


@pytest.fixture
def sdk(server: Upstream) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=server.url,
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
    )


async def run(work: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(work)


def answered(body: object, model: str = "sandbox", operation: str = "converse") -> Plan:
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return Sandbox(Wire.BEDROCK).answer("POST", f"/model/{model}/{operation}", {}, body)


async def test_an_answer(sdk: Any, server: Upstream) -> None:
    model = "sandbox:reasoning=2:cached=1"
    inference = {"maxTokens": 50, "temperature": 0.5}
    answer = await run(lambda: sdk.converse(modelId=model, messages=ASK, inferenceConfig=inference))
    reasoning, text = answer["output"]["message"]["content"]
    assert len(reasoning["reasoningContent"]["reasoningText"]["text"].split()) == 2
    assert reasoning["reasoningContent"]["reasoningText"]["signature"]
    assert text == {"text": "You said: one two three"}
    assert answer["stopReason"] == "end_turn"
    usage = answer["usage"]
    assert (usage["inputTokens"], usage["cacheReadInputTokens"], usage["outputTokens"]) == (2, 1, 7)
    assert usage["totalTokens"] == 10
    assert server.journal[-1].path == "/model/sandbox%3Areasoning%3D2%3Acached%3D1/converse"
    back = [*ASK, answer["output"]["message"], {"role": "user", "content": [{"text": "and?"}]}]
    last = await run(lambda: sdk.converse(modelId="sandbox", messages=back))
    assert last["output"]["message"]["content"] == [{"text": "You said: and?"}]


async def test_a_stream(sdk: Any) -> None:
    def work() -> list[Any]:
        return list(sdk.converse_stream(modelId="sandbox:tokens=30:reasoning=2:split", messages=ASK)["stream"])

    events = await run(work)
    assert [next(iter(each)) for each in events] == [
        "messageStart",
        *["contentBlockDelta"] * 3,
        "contentBlockStop",
        *["contentBlockDelta"] * 30,
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    text = "".join(each.get("contentBlockDelta", {}).get("delta", {}).get("text", "") for each in events)
    assert text.startswith("You said: one two three")
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 32


async def test_a_loop_with_tools(sdk: Any) -> None:
    text = 'call weather({"city":"Oslo"}) and call weather({"city":"Rome"})'
    messages: Any = [{"role": "user", "content": [{"text": text}]}]
    answer = await run(lambda: sdk.converse(modelId="sandbox", messages=messages, toolConfig=TOOLS))
    assert answer["stopReason"] == "tool_use"
    calls = [block["toolUse"] for block in answer["output"]["message"]["content"]]
    assert [call["input"] for call in calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    results = [
        {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": f"sun {at}"}]}}
        for at, call in enumerate(calls)
    ]
    messages += [answer["output"]["message"], {"role": "user", "content": results}]
    last = await run(lambda: sdk.converse(modelId="sandbox", messages=messages, toolConfig=TOOLS))
    assert last["output"]["message"]["content"] == [{"text": "The tool said: sun 0; sun 1"}]


async def test_a_structured_answer_and_files(sdk: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"age": {"enum": [3]}},
        "required": ["age"],
        "additionalProperties": False,
    }
    definition = {"jsonSchema": {"schema": json.dumps(schema), "name": "person"}}
    files = [
        {"text": "look"},
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
        {"document": {"format": "pdf", "name": "Report 1", "source": {"bytes": b"%PDF"}}},
    ]
    answer = await run(
        lambda: sdk.converse(
            modelId="sandbox",
            messages=[{"role": "user", "content": files}],
            outputConfig={"textFormat": {"type": "json_schema", "structure": definition}},
        )
    )
    assert json.loads(answer["output"]["message"]["content"][0]["text"]) == {"age": 3}


async def test_tokens_are_counted(sdk: Any) -> None:
    given = {"converse": {"messages": ASK, "system": [{"text": "be brief"}]}}
    counted = await run(lambda: sdk.count_tokens(modelId="sandbox", input=given))
    assert counted["inputTokens"] == 5
    counted = await run(lambda: sdk.count_tokens(modelId="sandbox", input={"invokeModel": {"body": b"one two"}}))
    assert counted["inputTokens"] == 2


@pytest.mark.parametrize(
    ("word", "status", "kind"),
    [
        ("auth", 403, "UnrecognizedClientException"),
        ("status=403", 403, "AccessDeniedException"),
        ("not-found", 404, "ResourceNotFoundException"),
        ("context-length", 400, "ValidationException"),
        ("status=408", 408, "ModelTimeoutException"),
        ("status=424", 424, "ModelErrorException"),
        ("quota", 429, "ThrottlingException"),
        ("status=429:code=ModelNotReadyException", 429, "ModelNotReadyException"),
        ("status=500", 500, "InternalServerException"),
        ("overloaded", 503, "ServiceUnavailableException"),
        ("nonsense", 400, "ValidationException"),
    ],
)
async def test_errors(sdk: Any, word: str, status: int, kind: str) -> None:
    for operation in (sdk.converse, sdk.converse_stream):
        with pytest.raises(ClientError) as caught:
            await run(lambda operation=operation: operation(modelId=f"sandbox:{word}", messages=ASK))
        assert caught.value.response["Error"]["Code"] == kind
        assert caught.value.response["Error"]["Message"]
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("", "internalServerException"),
        (":code=ThrottlingException", "throttlingException"),
        (":code=modelStreamErrorException", "modelStreamErrorException"),
        (":code=slow_down", "internalServerException"),
    ],
)
async def test_an_error_in_the_middle_of_a_stream(sdk: Any, word: str, kind: str) -> None:
    seen = []

    def work() -> None:
        stream = sdk.converse_stream(modelId=f"sandbox:error-at=2{word}", messages=ASK)["stream"]
        seen.extend(each.get("contentBlockDelta", {}).get("delta", {}).get("text", "") for each in stream)

    with pytest.raises(EventStreamError) as caught:
        await run(work)
    assert caught.value.response["Error"]["Code"] == kind


async def test_a_connection_that_breaks(sdk: Any) -> None:
    with pytest.raises(ProtocolError, match="reset"):
        await run(lambda: list(sdk.converse_stream(modelId="sandbox:cut-at=2", messages=ASK)["stream"]))
    with pytest.raises(ConnectionClosedError):
        await run(lambda: sdk.converse(modelId="sandbox:refuse", messages=ASK))


def test_a_message_is_framed() -> None:
    framed = message(((":a", "b"),), b"payload")
    assert framed[:8] == (16 + 7 + 7).to_bytes(4, "big") + (7).to_bytes(4, "big")
    assert framed[8:12] == crc32(framed[:8]).to_bytes(4, "big")
    assert framed[12:19] == b"\x02:a\x07\x00\x01b"
    assert framed[19:26] == b"payload"
    assert framed[26:] == crc32(framed[:26]).to_bytes(4, "big")
    assert events_of(event("metadata", b"{}") * 2) == [{"metadata": {}}] * 2


@pytest.mark.parametrize(
    "name", [name for name in NAMES if f"{name}-stream" in NAMES and not name.startswith("fault-")]
)
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = json.loads((GOLDEN / f"{name}.json").read_text().partition("\n\n")[2])
    lines = (GOLDEN / f"{name}-stream.events").read_text().partition("\n\n")[2].splitlines()
    events = [next(iter(json.loads(line).items())) for line in lines]
    content: list[Any] = []
    inputs: dict[int, str] = {}
    done = -1
    for kind, value in events:
        assert value.pop("p")
        if kind == "contentBlockStart":
            content.append({"toolUse": {**value["start"]["toolUse"], "input": {}}})
            assert value["contentBlockIndex"] == len(content) - 1
        elif kind == "contentBlockDelta":
            at, delta = value["contentBlockIndex"], value["delta"]
            assert at == done + 1
            if "toolUse" in delta:
                inputs[at] = inputs.get(at, "") + delta["toolUse"]["input"]
                continue
            if at == len(content):
                content.append(
                    {"text": ""} if "text" in delta else {"reasoningContent": {"reasoningText": {"text": ""}}}
                )
            if "text" in delta:
                content[at]["text"] += delta["text"]
            elif "text" in delta["reasoningContent"]:
                content[at]["reasoningContent"]["reasoningText"]["text"] += delta["reasoningContent"]["text"]
            else:
                content[at]["reasoningContent"]["reasoningText"] |= delta["reasoningContent"]
        elif kind == "contentBlockStop":
            done += 1
            assert value["contentBlockIndex"] == done
    for at, text in inputs.items():
        if text.endswith("}"):
            content[at]["toolUse"]["input"] = json.loads(text)
    assert done == len(content) - 1
    assert whole["output"]["message"] == {"role": "assistant", "content": content}
    assert [kind for kind, _ in events[-2:]] == ["messageStop", "metadata"]
    stop = {"stopReason": whole["stopReason"]}
    if name == "stop-told":
        assert whole["additionalModelResponseFields"] == {"stop_sequence": "two"}
        stop["additionalModelResponseFields"] = {"delta": {"stop_sequence": "two"}}
    assert events[-2][1] == stop
    assert events[-1][1] == {key: whole[key] for key in ("metrics", "usage") if key in whole}


def test_a_model_with_a_slash_must_be_encoded() -> None:
    assert answered({"messages": ASK}, "arn:aws:bedrock:us-east-1:1:inference-profile/x").status == 404
    refused = answered({"messages": ASK}, "inference-profile%2Fx%3Anonsense")
    assert "nonsense" in json.loads(bytes_of(refused))["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=5,
)
KINDS = ("text", "image", "document", "toolUse", "toolResult", "reasoningContent", "cachePoint", "x")
BLOCK = st.dictionaries(st.sampled_from(KINDS), JSON, min_size=1, max_size=2)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"]) | JSON, "content": JSON | st.lists(BLOCK, max_size=2)}
)
FIELDS = (
    "system", "inferenceConfig", "toolConfig", "guardrailConfig", "additionalModelRequestFields", "promptVariables",
    "additionalModelResponseFieldPaths", "requestMetadata", "performanceConfig", "serviceTier", "outputConfig", "x",
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3), st.just(ASK) | st.lists(MESSAGE, max_size=3) | JSON)
def test_no_request_raises(fields: dict[str, Any], messages: Any) -> None:
    for operation in ("converse", "converse-stream"):
        plan = answered({"messages": messages, **fields}, "sandbox:tokens=3:reasoning=2", operation)
        assert plan.status in (200, 400)
        data = bytes_of(plan)
        if plan.status != 200:
            assert json.loads(data)["message"]
    assert answered({"input": {"converse": {"messages": messages}}}, operation="count-tokens").status in (200, 400)
    assert answered({"input": fields}, operation="count-tokens").status == 400
