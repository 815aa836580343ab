"""Which requests are the same: everything counts, spelling does not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.digest import asked_digest, owner_of, request_digest, scope_of
from gateway.cache.rules import Way
from gateway.protocols import PROTOCOLS
from gateway.routing.facts import Facts
from gateway.routing.hints import Hints
from gateway.routing.sending import Job

SAME = [
    (b'{"model":"m","messages":[],"temperature":0}', b'{ "temperature" : 0.0, "messages":[ ],\n"model":"m"}'),
    (b'{"model":"m","messages":[],"n":1}', b'{"model":"m","messages":[],"n":1.0}'),
    (b'{"model":"m","messages":[],"x":{"a":1,"b":[1.0,2e2]}}', b'{"model":"m","messages":[],"x":{"b":[1,200],"a":1}}'),
    (b'{"model":"m","messages":["caf\xc3\xa9"]}', b'{"model":"m","messages":["caf\\u00e9"]}'),
]
DIFFERENT = [
    (b'{"model":"m","messages":[]}', b'{"model":"n","messages":[]}'),
    (b'{"model":"m","messages":[]}', b'{"model":"m","messages":[],"user":"u"}'),
    (b'{"model":"m","messages":[]}', b'{"model":"m","messages":[],"unknown":null}'),
    (b'{"model":"m","messages":[],"stream":true}', b'{"model":"m","messages":[]}'),
    (b'{"model":"m","messages":[],"temperature":0}', b'{"model":"m","messages":[],"temperature":"0"}'),
    (b'{"model":"m","messages":[],"seed":1}', b'{"model":"m","messages":[],"seed":true}'),
    (b'{"model":"m","messages":["a","b"]}', b'{"model":"m","messages":["b","a"]}'),
    (b'{"model":"m","messages":["1.0"]}', b'{"model":"m","messages":["1"]}'),
    (
        b'{"model":"m","messages":[],"seed":123456789012345678901}',
        b'{"model":"m","messages":[],"seed":123456789012345678902}',
    ),
]


def job(body: bytes, wire: str = "openai-chat", headers: Any = (), **facts: Any) -> Job:
    protocol = PROTOCOLS[wire]
    return Job(protocol, protocol.decode_head(body, None, None), headers, Facts(**facts))


def digest(body: bytes, shape: bytes = b"route") -> bytes | None:
    return request_digest(job(body), shape)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spelling_does_not_count(one: bytes, other: bytes) -> None:
    assert digest(one) == digest(other) != None  # noqa: E711 - both are there


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_everything_else_counts(one: bytes, other: bytes) -> None:
    assert digest(one) != digest(other)
    assert asked_digest(job(one)) != asked_digest(job(other))


def test_what_is_beside_the_body_counts() -> None:
    body = b'{"model":"m","messages":[],"max_tokens":5}'
    one = request_digest(job(body), b"route")
    assert one != request_digest(job(body), b"another")
    assert one != request_digest(job(body, "anthropic"), b"route")
    assert one != request_digest(job(body, headers=(("anthropic-beta", "x"),)), b"route")
    assert one == request_digest(job(body, request_id="r", client_ip="::1"), b"route")


def test_what_the_client_asked_of_targets_counts() -> None:
    body = b'{"model":"m","messages":[]}'
    plain, hinted, other = job(body), job(body), job(body)
    hinted.hints, other.hints = Hints(only=frozenset(("a", "b"))), Hints(only=frozenset(("b", "c")))
    way = Way("route")
    assert len({request_digest(each, way.shape(each)) for each in (plain, hinted, other)}) == 3
    assert len({asked_digest(each) for each in (plain, hinted, other)}) == 3


def test_what_a_policy_edited_counts() -> None:
    plain = job(b'{"model":"m","messages":[]}')
    request = plain.request()
    edited = plain.with_request(msgspec.structs.replace(request, max_tokens=5))
    other = plain.with_request(msgspec.structs.replace(request, max_tokens=6))
    assert len({request_digest(each, b"r") for each in (plain, edited, other)}) == 3


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","content":"evil","content":"good"}]}',
        b'{"model":"m","messages":[{"c":"x","\\u0063":"y"}]}',
        b'{"model":"m","messages":[{"c":"evil","c":"good","d":"\\u003a"}]}',
        b'{"model":"m","messages":[],"x":1e999}',
        b'{"model":"m","messages":["%b"]}' % (b"x" * (4 << 20)),
    ],
    ids=["twice", "twice, escaped", "twice, and a colon that makes up for it", "no number", "large"],
)
def test_what_two_readers_could_read_differently_has_no_digest(body: bytes) -> None:
    each = job(body)
    assert request_digest(each, b"route") is None
    assert asked_digest(each) == asked_digest(each), "a repeated request is known by its bytes"


def test_a_stored_conversation_is_not_the_request() -> None:
    for extra in (b'"conversation":"conv_1"', b'"background":true'):
        assert request_digest(job(b'{"model":"m","input":"x",%b}' % extra, "openai-responses"), b"r") is None
    assert request_digest(job(b'{"model":"m","input":"x","background":false}', "openai-responses"), b"r") is not None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def plain(value: Any) -> Any:
    """What a JSON reader without a difference between 1 and 1.0 sees; booleans are no numbers."""
    if isinstance(value, dict):
        return ("object", frozenset((name, plain(each)) for name, each in value.items()))
    if isinstance(value, list):
        return ("array", tuple(plain(each) for each in value))
    return (value.__class__ is bool, value.__class__ is str, value)


@given(VALUES, VALUES)
def test_equal_digests_are_equal_requests(one: Any, other: Any) -> None:
    bodies = [json.dumps({"model": "m", "messages": [], "x": value}).encode() for value in (one, other)]
    digests = [digest(body) for body in bodies]
    if None not in digests and digests[0] == digests[1]:
        assert plain(one) == plain(other)
    if plain(one) == plain(other):
        assert digests[0] == digests[1] or any(abs(n) >= 2**53 for n in numbers(one))


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for each in value.values() for n in numbers(each)]
    if isinstance(value, list):
        return [n for each in value for n in numbers(each)]
    return [value] if isinstance(value, int | float) else []


def test_who_shares_an_answer() -> None:
    anna, ben = Facts(key="anna", team="t"), Facts(key="ben", team="t")
    assert scope_of("key", anna, owner_of(anna)) != scope_of("key", ben, owner_of(ben))
    assert scope_of("team", anna, owner_of(anna)) == scope_of("team", ben, owner_of(ben))
    assert scope_of("shared", anna, "x") == scope_of("shared", Facts(key="c"), "y")
    alone = Facts(key="c")
    assert scope_of("team", alone, owner_of(alone)) == owner_of(alone)
    assert owner_of(Facts(key="a", user="u")) != owner_of(Facts(key="a", user="v"))
    odd = [Facts(key="a/user/u"), Facts(key="a", user="u"), Facts(key="open"), Facts(key="team/t"), Facts(key="a\x00b")]
    names = {owner_of(each) for each in odd} | {owner_of(Facts(key="open"), anonymous=True), "team/t", "shared"}
    assert len(names) == 8, "no name of a key reads like another scope"
    assert all(name.isprintable() for name in names)
