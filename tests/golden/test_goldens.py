"""The goldens hold: every input becomes what stands beside it, however its bytes were cut, and nothing is left over.

Beside that: a request that comes back on its own wire says what it said; every request that is made for a provider is
one that the sandbox, which is as strict as the documentation of that provider, takes.
"""

from __future__ import annotations

import json
from random import Random
from urllib.parse import quote

import msgspec
import pytest

from gateway.failure import Failed
from gateway.ir.chat import Request
from gateway.protocols import PROTOCOLS
from gateway.sandbox.answer import Sandbox
from gateway.sandbox.wires import Wire

from .cases import CLIENTS, FOLDER, THINKERS, WIRES, Case, cases, goldens, pretty, streamed
from .matrix import PAGE, page

CASES = list(cases())
FILES = {case: goldens(case) for case in CASES}
PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{}:generateContent",
    "ollama": "/api/chat",
    "bedrock-converse": "/model/{}/converse",
    "cohere": "/v2/chat",
}
AGAIN = "they were written by `python -m tests.golden.write`; read what has changed"


def named(case: Case) -> str:
    return f"{case.wire}/{case.name}"


def of(kind: str) -> list[Case]:
    return [case for case in CASES if case.kind == kind]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_golden_is_what_becomes_of_its_input(case: Case) -> None:
    for path, text in FILES[case].items():
        assert path.is_file(), f"{path.name} is missing: {AGAIN}"
        assert path.read_bytes().decode() == text, AGAIN


def test_no_golden_is_left_over() -> None:
    known = {case.path for case in CASES} | {path for files in FILES.values() for path in files}
    assert {path for wire in WIRES for path in (FOLDER / wire).iterdir()} == known, AGAIN


def test_inputs_read_well_and_there_are_enough() -> None:
    for case in CASES:
        if case.kind != "stream":
            assert case.path.read_text() == pretty(json.loads(case.data)), f"{named(case)}: laid out as goldens are"
    for wire in WIRES:
        kinds = [case.kind for case in CASES if case.wire == wire]
        assert len(kinds) >= 15
        assert set(kinds) == ({"request", "response", "stream"} if wire in CLIENTS else {"response", "stream"})


@pytest.mark.parametrize("case", of("stream"), ids=named)
def test_a_stream_is_the_same_however_it_is_cut(case: Case) -> None:
    data, random = case.data, Random(case.name)
    ways = [[data[at : at + 1] for at in range(len(data))]]
    for _ in range(4):
        cuts = sorted(random.sample(range(1, len(data)), 7))
        ways.append([data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)])
    for wire in case.others:
        whole = told(case, wire, [data])
        assert all(told(case, wire, way) == whole for way in ways)


def told(case: Case, wire: str, pieces: list[bytes]) -> bytes | str:
    try:
        return streamed(case, wire, pieces)
    except Failed as failed:
        return f"{failed.failure.kind}: {failed.failure.message}"


@pytest.mark.parametrize("case", of("request"), ids=named)
def test_a_request_says_the_same_on_its_own_wire(case: Case) -> None:
    own = case.on(case.wire, quirks=frozenset(("reasoning_details",)))
    assert own.dropped == ()
    again = msgspec.structs.replace(case, data=own.body)
    assert read(again) == read(case)


def read(case: Case) -> Request:
    """The request, on a model of no name."""
    protocol = PROTOCOLS[case.wire]
    named_in_path = case.wire == "gemini"
    head = protocol.decode_head(case.data, *(("model", False) if named_in_path else (None, None)))
    return protocol.decode_request(msgspec.structs.replace(head, model="model"))


@pytest.mark.parametrize("case", of("request"), ids=named)
def test_what_is_made_for_a_provider_is_what_it_takes(case: Case) -> None:
    for path, text in FILES[case].items():
        if path.suffix == ".json":
            wire = path.name.split(".")[1]
            model = (case.model(wire) or "").replace(":", "-")  # the sandbox reads words after colons
            body = json.loads(text)
            if "model" in body:
                body["model"] = model
            headers = {"anthropic-version": "2023-06-01"}
            target = PATHS[wire].format(quote(model, safe=""))
            plan = Sandbox(Wire(wire)).answer("POST", target, headers, json.dumps(body).encode())
            said = (plan.body or b"").decode()
            ours = plan.status == 400 and "Invalid `signature`" in said  # it takes only those that it made
            assert plan.status == 200 or ours, f"{path.name}: {said}"


def test_the_page_counts_what_is_here() -> None:
    assert PAGE.read_text() == page(FILES), AGAIN


def test_models_that_think_are_named_for_every_wire() -> None:
    assert set(THINKERS) == set(WIRES)
