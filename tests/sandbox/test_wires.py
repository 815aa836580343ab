"""What every wire promises: the same words do the same, in its own envelope."""

from __future__ import annotations

import json

import pytest

from gateway.sandbox.answer import ROUTES, Sandbox
from gateway.sandbox.plan import End, Pause, Plan
from gateway.sandbox.wires import BASES, Wire

from .speaking import TONGUES, bytes_of

ECHO = "You said: one two three"

wires = pytest.mark.parametrize("wire", list(Wire))
both = pytest.mark.parametrize("streamed", [False, True])


def plan(wire: Wire, words: str = "", streamed: bool = False, of: Sandbox | None = None, **more: object) -> Plan:
    tongue = TONGUES[wire]
    target, body = tongue.ask(f"sandbox{words}", "one two three", streamed)
    sandbox = Sandbox(wire) if of is None else of
    return sandbox.answer("POST", target, tongue.headers, json.dumps({**body, **more}).encode())


def said(wire: Wire, answered: Plan, streamed: bool) -> str:
    data = bytes_of(answered)
    return TONGUES[wire].streamed(TONGUES[wire].frames(data)) if streamed else TONGUES[wire].text(json.loads(data))


def test_every_wire_is_here() -> None:
    assert set(ROUTES) == set(BASES) == set(TONGUES) == set(Wire)


@wires
@both
def test_it_says_what_it_was_told(wire: Wire, streamed: bool) -> None:
    assert said(wire, plan(wire, "", streamed), streamed) == ECHO
    assert plan(wire, "", streamed).status == 200
    assert said(wire, plan(wire, ":tokens=30", streamed), streamed).startswith(ECHO)
    assert bytes_of(plan(wire, ":tokens=30", streamed)) == bytes_of(plan(wire, ":tokens=30", streamed))
    assert TONGUES[wire].usage.encode() in bytes_of(plan(wire))
    assert TONGUES[wire].usage.encode() not in bytes_of(plan(wire, ":no-usage", streamed))


@wires
@both
@pytest.mark.parametrize(
    ("words", "least"),
    [
        (":status=429:retry-after=7", 429),
        (":status=400", 400),
        (":status=418", 418),
        (":status=599", 599),
        (":auth", 400),
        (":quota", 400),
        (":overloaded", 500),
        (":overloaded=503", 500),
        (":not-found", 404),
        (":context-length", 400),
        (":unsupported=top_p", 400),
        (":nonsense", 400),
    ],
)
def test_errors_have_the_envelope_of_the_wire(wire: Wire, streamed: bool, words: str, least: int) -> None:
    answered = plan(wire, words, streamed)
    assert answered.status >= least
    assert answered.status // 100 == least // 100
    message = TONGUES[wire].error(json.loads(bytes_of(answered)))
    assert isinstance(message, str)
    assert message
    assert "{" not in message.replace("{'", "")
    if "retry-after" in words:
        assert dict(answered.headers)["retry-after"] == "7"
    if words == ":nonsense":
        assert "does not know the word 'nonsense'" in message


@wires
def test_what_is_no_request_is_refused_in_the_envelope_of_the_wire(wire: Wire) -> None:
    tongue = TONGUES[wire]
    sandbox = Sandbox(wire)
    target, _ = tongue.ask("sandbox", "x", False)
    for body in (b"", b"{", b"\xff", b"[]", b"null", b'"x"', b"[" * 100_000):
        answered = sandbox.answer("POST", target, tongue.headers, body)
        assert answered.status == 400
        assert tongue.error(json.loads(bytes_of(answered)))
    assert plan(wire, **tongue.bad).status == 400
    for method, path, status in (("POST", "/nowhere", 404), ("DELETE", target, 405)):
        answered = sandbox.answer(method, path, {}, b"")
        assert answered.status == status
        assert tongue.plain or tongue.error(json.loads(bytes_of(answered)))
    assert dict(sandbox.answer("DELETE", target, {}, b"").headers)["allow"] == "POST"


@wires
@both
def test_faults_of_the_connection(wire: Wire, streamed: bool) -> None:
    assert plan(wire, ":latency=1s:refuse", streamed).before == (Pause(1.0), End.RESET)
    assert plan(wire, ":stall", streamed).before == (End.STALL,)
    assert bytes_of(plan(wire, ":empty", streamed)) == b""
    assert b"<html>" in bytes_of(plan(wire, ":garbage", streamed))
    broken = plan(wire, ":error-in-200", streamed)
    assert broken.status == 200
    assert TONGUES[wire].error(json.loads(bytes_of(broken)))
    cut = plan(wire, ":cut", streamed)
    assert list(cut.steps)[-1] is End.RESET


@wires
@pytest.mark.parametrize("at", [0, 1, 3, 5])
def test_where_a_stream_ends(wire: Wire, at: int) -> None:
    for word, last in (("cut-at", End.RESET), ("stall-at", End.STALL)):
        steps = list(plan(wire, f":{word}={at}", True).steps)
        assert steps[-1] is last
        data = b"".join(step for step in steps if isinstance(step, bytes))
        assert TONGUES[wire].streamed(TONGUES[wire].frames(data)) == "".join(
            ["You", " said:", " one", " two", " three"][:at]
        )
    data = bytes_of(plan(wire, f":error-at={at}", True))
    assert "rror" in json.dumps(TONGUES[wire].frames(data)[-1])
    assert TONGUES[wire].done not in data


@wires
def test_a_stream_that_is_odd(wire: Wire) -> None:
    plain = bytes_of(plan(wire, "", True))
    assert TONGUES[wire].done in plain
    assert TONGUES[wire].done not in bytes_of(plan(wire, ":no-done", True))
    assert b"<html>" in bytes_of(plan(wire, ":garbage-at=2", True))
    assert said(wire, plan(wire, ":split:comments", True), True) == ECHO
    if TONGUES[wire].comments:
        assert bytes_of(plan(wire, ":comments", True)).count(b": the sandbox is thinking\n\n") >= 6
    if TONGUES[wire].lines:
        assert bytes_of(plan(wire, ":crlf", True)).count(b"\r\n") > bytes_of(plan(wire, ":crlf", True)).count(b"\n\n")
    steps = [step for step in plan(wire, ":split", True).steps if isinstance(step, bytes)]
    assert {len(step) for step in steps[:-1]} == {1, 2, 3, 4, 5, 7, 11, 19}


@wires
def test_time_is_in_the_plan(wire: Wire) -> None:
    assert plan(wire, ":latency=1s:rate=2/s").before == (Pause(1.0), Pause(2.5)), "five tokens at two a second"
    steps = list(plan(wire, ":rate=4/s", True).steps)
    assert [step for step in steps if isinstance(step, Pause)] == [Pause(0.25)] * 5


@wires
def test_failing_first(wire: Wire) -> None:
    sandbox = Sandbox(wire)
    assert [plan(wire, ":fail=2", of=sandbox).status for _ in range(3)] == [500, 500, 200]
    assert [plan(wire, ":fail=1:status=429", of=sandbox).status for _ in range(2)] == [429, 200]
    assert not plan(wire, ":fail=1", of=sandbox).repeatable


@wires
def test_what_is_nested_too_deeply_is_refused(wire: Wire) -> None:
    """As deep as JSON is read at all: somewhere a schema, an argument, a result."""
    deep: object = {}
    for _ in range(900):
        deep = {"type": "object", "additionalProperties": False, "items": deep}
    for more in (
        {"output_config": {"format": {"type": "json_schema", "schema": deep}}},
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": deep, "strict": True}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": deep}}},
        {"generationConfig": {"responseMimeType": "application/json", "responseSchema": deep}},
        {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": deep}},
        {"format": deep},
    ):
        answered = plan(wire, **more)
        assert answered.status in (200, 400, 422)
        assert bytes_of(answered)
