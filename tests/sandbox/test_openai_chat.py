"""What goldens cannot show: any input at all, plans with time in them, odd lengths, and the counting of `fail=N`."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sandbox.answer import Sandbox
from gateway.sandbox.plan import End, Pause, Plan
from gateway.sandbox.script import parse

ASK = [{"role": "user", "content": "one two three"}]


def chat(body: bytes, header: str | None = None) -> Plan:
    headers = {} if header is None else {"x-sandbox": header}
    return Sandbox().answer("POST", "/v1/chat/completions", headers, body)


def plan(model: str = "sandbox", header: str | None = None, **more: Any) -> Plan:
    return chat(json.dumps({"model": model, "messages": ASK, **more}).encode(), header)


def whole(answered: Plan) -> Any:
    assert answered.body is not None
    return json.loads(answered.body)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"null", b'"x"', b"[" * 100_000, b'{"model":"\\ud800"}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    answered = chat(body)
    assert answered.status == 400
    assert whole(answered)["error"]["type"] == "invalid_request_error"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "auto", "required", "user", "tool", "assistant", "function", "text", "json_schema", "sandbox", "é"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                "role content type text tool_calls tool_call_id id function name parameters json_schema schema".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)
FIELDS = (
    "messages stream stream_options n stop tools tool_choice response_format max_tokens max_completion_tokens seed "
    "logprobs top_logprobs temperature"
).split()


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6), st.booleans())
def test_no_request_raises(fields: dict[str, Any], good: bool) -> None:
    request = {"model": "sandbox:tokens=3:reasoning=2", "messages": ASK, **fields}
    if good:
        request["messages"] = ASK
    answered = chat(json.dumps(request).encode())
    assert answered.status in (200, 400)
    if answered.status == 400:
        assert whole(answered)["error"]["message"]
    elif answered.body is None:
        assert b"".join(step for step in answered.steps if isinstance(step, bytes)).endswith(b"data: [DONE]\n\n")
    else:
        assert len(whole(answered)["choices"]) == (fields.get("n") or 1)


def test_null_is_absent_and_zero_is_a_value() -> None:
    absent = dict.fromkeys(FIELDS[1:])
    assert whole(plan(**absent))["choices"] == whole(plan())["choices"]
    assert whole(plan(temperature=0, top_p=0, seed=0, logprobs=False, top_logprobs=0))["choices"]
    assert plan(stop=[])


def test_the_same_bytes_get_the_same_answer_and_others_another() -> None:
    assert plan("sandbox:tokens=9") == plan("sandbox:tokens=9")
    ids = {whole(plan("sandbox", header))["id"] for header in (None, "tokens=3", "tokens=4")}
    assert len(ids) == 3, "the header is a part of the request"
    assert 1_700_000_000 <= whole(plan())["created"] < 1_700_000_000 + (1 << 20)
    texts = {whole(plan(f"sandbox:tokens=9:seed={seed}"))["choices"][0]["message"]["content"] for seed in range(5)}
    assert len(texts) == 5


def test_time_is_in_the_plan() -> None:
    assert plan("sandbox:latency=200ms").before == (Pause(0.2),)
    assert plan("sandbox:latency=0s").before == ()
    assert plan("sandbox:latency=1s:rate=2/s").before == (Pause(1.0), Pause(2.5)), "five tokens at two a second"
    assert plan("sandbox:latency=1s:refuse").before == (Pause(1.0), End.RESET)
    assert plan("sandbox:latency=1s:status=500").before == (Pause(1.0),)
    steps = list(plan("sandbox:rate=4/s", stream=True).steps)
    assert [type(step) for step in steps] == [bytes, *[Pause, bytes] * 5, bytes, bytes]
    assert {step for step in steps if isinstance(step, Pause)} == {Pause(0.25)}


@pytest.mark.parametrize(
    ("word", "pieces", "last"),
    [
        ("cut", 1, End.RESET),
        ("cut-at=0", 0, End.RESET),
        ("cut-at=3", 3, End.RESET),
        ("cut-at=5", 5, End.RESET),
        ("stall-at=2", 2, End.STALL),
        ("cut-at=6", 5, None),
    ],
)
@pytest.mark.parametrize("split", [False, True])
def test_where_a_stream_ends(word: str, pieces: int, last: End | None, split: bool) -> None:
    steps = list(plan(f"sandbox:{word}" + (":split" if split else ""), stream=True).steps)
    data = b"".join(step for step in steps if isinstance(step, bytes))
    assert data.count(b'"content":"') == pieces + 1, "the first has the role"
    assert (steps[-1] if isinstance(steps[-1], End) else None) is last
    assert data.endswith(b"[DONE]\n\n") == (last is None)


def test_pieces_are_counted_over_all_choices() -> None:
    steps = list(plan("sandbox:cut-at=3", stream=True, n=2).steps)
    data = b"".join(step for step in steps if isinstance(step, bytes))
    assert data.count(b'"content":"') == 3 + 2
    assert steps[-1] is End.RESET
    empty = list(plan("echo:cut", stream=True, messages=[{"role": "user", "content": ""}]).steps)
    assert empty[-1] is End.RESET, "an answer without a piece is cut too"


def test_odd_lengths_are_the_same_bytes() -> None:
    more: dict[str, Any] = {"messages": [{"role": "user", "content": "Grüße 👋 你好" * 20}]}
    for stream in (False, True):
        torn, smooth = (plan("sandbox", header, stream=stream, **more) for header in ("split", None))
        pieces = [step for step in torn.steps if isinstance(step, bytes)]
        expected = smooth.body if smooth.body is not None else b"".join(s for s in smooth.steps if isinstance(s, bytes))
        assert len(b"".join(pieces)) == len(expected)
        assert {len(piece) for piece in pieces[:-1]} == {1, 2, 3, 4, 5, 7, 11, 19}
        assert any(piece[0] & 0xC0 == 0x80 for piece in pieces), "a character is torn"
        assert (torn.length == len(expected)) is not stream


def test_failing_first() -> None:
    sandbox, other = Sandbox(), Sandbox()

    def status(model: str, header: str | None = None, of: Sandbox = sandbox) -> int:
        body = json.dumps({"model": model, "messages": ASK}).encode()
        answered = of.answer("POST", "/v1/chat/completions", {} if header is None else {"x-sandbox": header}, body)
        assert not answered.repeatable
        return answered.status if not answered.before else 0

    assert [status("sandbox:fail=2") for _ in range(4)] == [500, 500, 200, 200]
    assert [status("sandbox:fail=1:status=429") for _ in range(3)] == [429, 200, 200]
    assert [status("sandbox:fail=1:refuse") for _ in range(2)] == [0, 200], "any fault, not only a status"
    assert [status("other", "fail=1; stall") for _ in range(2)] == [0, 200]
    assert status("sandbox:fail=0") == 200
    assert status("sandbox:fail=2", of=other) == 500, "each upstream counts for itself"


def test_the_count_of_failures_is_bounded() -> None:
    sandbox = Sandbox()
    for number in range(10_050):
        body = json.dumps({"model": f"m{number}:fail=1", "messages": ASK}).encode()
        assert sandbox.answer("POST", "/v1/chat/completions", {}, body).status == 500
    assert len(sandbox._failed) == 10_000


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v1/models", 200),
        ("GET", "/v1/models/", 200),
        ("GET", "/v1/models/sandbox%3Atokens=5", 200),
        ("GET", "/v1/models/vendor/name", 200),
        ("GET", "/v1/models/sandbox:nonsense", 404),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/embeddings", 405),
        ("POST", "/v1/moderations", 404),
        ("POST", "/", 404),
        ("POST", "/v1/chat/completions/", 400),
        ("POST", "/openai/deployments/x/chat/completions?api-version=2024-10-21", 400),
    ],
)
def test_paths(method: str, target: str, status: int) -> None:
    answered = Sandbox().answer(method, target, {}, b"{}")
    assert answered.status == status
    if status == 405:
        assert dict(answered.headers)["allow"] == ("GET" if target == "/v1/models" else "POST")
    if status >= 400:
        assert set(whole(answered)["error"]) == {"message", "type", "param", "code"}


def test_the_models_are_found_under_their_names() -> None:
    listed = whole(Sandbox().answer("GET", "/v1/models", {}, b""))
    assert [model["id"] for model in listed["data"]] == ["sandbox", "echo"]
    found = whole(Sandbox().answer("GET", "/v1/models/vendor/a%20b", {}, b""))
    assert found["id"] == "vendor/a b"
    assert parse(found["id"])


def test_embeddings() -> None:
    def embed(**body: Any) -> Plan:
        return Sandbox().answer("POST", "/v1/embeddings", {}, json.dumps({"model": "sandbox", **body}).encode())

    answer = whole(embed(input=["a b", "c"]))
    assert [(row["index"], len(row["embedding"])) for row in answer["data"]] == [(0, 64), (1, 64)]
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert answer["data"][0]["embedding"] == whole(embed(input="a b"))["data"][0]["embedding"]
    assert len(whole(embed(input=[[1, 2], [3]], dimensions=5))["data"][1]["embedding"]) == 5
    assert len(whole(embed(input=[1, 2]))["data"]) == 1
    assert embed(input="x", model="sandbox:quota").status == 429
    assert embed(input="x", model="sandbox:latency=1s").before == (Pause(1.0),)
    assert embed(input="x", model="sandbox:stall").before == (End.STALL,)
    for bad in (
        {},
        {"input": []},
        {"input": [1, "a"]},
        {"input": {"a": 1}},
        {"input": "x", "dimensions": 0},
        {"input": "x", "encoding_format": "hex"},
        {"input": "x", "model": "sandbox:nonsense"},
    ):
        assert embed(**bad).status == 400


GOLDEN = Path(__file__).parent / "golden" / "openai-chat"
NAMES = sorted(path.name.removesuffix(".request.json") for path in GOLDEN.glob("*.request.json"))


@pytest.mark.parametrize(
    "name", [name for name in NAMES if f"{name}-stream" in NAMES and not name.startswith("fault-")]
)
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = json.loads((GOLDEN / f"{name}.json").read_text().partition("\n\n")[2])
    case = json.loads((GOLDEN / f"{name}-stream.request.json").read_text())
    frames = (GOLDEN / f"{name}-stream.sse").read_text().partition("\n\n")[2].strip().split("\n\n")
    assert frames.pop() == "data: [DONE]"
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    shows_usage = "stream_options" in case["body"] and "usage" in whole
    if shows_usage:
        last = chunks.pop()
        assert last["choices"] == []
        assert last["usage"] == whole["usage"]
        assert all(chunk["usage"] is None for chunk in chunks)
    else:
        assert not any("usage" in chunk for chunk in chunks)
    assert len({chunk["id"] for chunk in chunks}) == 1
    for choice in whole["choices"]:
        mine = [row for chunk in chunks for row in chunk["choices"] if row["index"] == choice["index"]]
        message = choice["message"]
        assert mine[0]["delta"]["role"] == "assistant"
        assert [row["finish_reason"] for row in mine] == [None] * (len(mine) - 1) + [choice["finish_reason"]]
        for field in ("content", "refusal", "reasoning_content"):
            text = "".join(row["delta"].get(field) or "" for row in mine)
            assert text == (message.get(field) or "")
        calls: dict[int, dict[str, Any]] = {}
        for row in mine:
            for part in row["delta"].get("tool_calls", ()):
                if "id" in part:
                    calls[part.pop("index")] = part
                else:
                    calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
        assert list(calls.values()) == message.get("tool_calls", [])
        rows = [row["logprobs"]["content"] for row in mine if row["logprobs"] is not None]
        assert list(chain.from_iterable(rows)) == ((choice["logprobs"] or {}).get("content") or [])
