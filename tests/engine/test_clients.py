"""Addresses behind proxies: what a client writes of itself is never reached."""

from __future__ import annotations

import pytest
from sanic.compat import Header

from gateway.engine.clients import client_of
from gateway.engine.conditions import networks_of

PROXIES = networks_of(["10.0.0.0/8", "fd00::/8", "127.0.0.1"])


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("203.0.113.9", {}, "203.0.113.9"),
        ("203.0.113.9", {"X-Forwarded-For": "10.0.0.1"}, "203.0.113.9"),  # nobody's word but a proxy's
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
        ("10.0.0.1", {"X-Forwarded-For": "10.9.9.9, 203.0.113.9"}, "203.0.113.9"),  # the client wrote the first
        ("10.0.0.1", {"X-Forwarded-For": "10.9.9.9, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"),
        ("10.0.0.1", {"X-Forwarded-For": "10.0.0.3, 10.0.0.2"}, "10.0.0.3"),  # a client inside
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.9:4711"}, "203.0.113.9"),
        ("10.0.0.1", {"X-Forwarded-For": "[2001:db8::1]:80"}, "2001:db8::1"),
        ("10.0.0.1", {"X-Forwarded-For": "2001:db8::1"}, "2001:db8::1"),
        ("fd00::5", {"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
        ("::ffff:10.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
        ("10.0.0.1", {"X-Forwarded-For": "10.9.9.9, unknown"}, ""),  # not further: what is left of it is anybody's
        ("10.0.0.1", {"X-Forwarded-For": ""}, ""),
        ("10.0.0.1", {"Forwarded": 'for=10.9.9.9, for="[2001:db8::1]:4711";proto=https'}, "2001:db8::1"),
        ("10.0.0.1", {"Forwarded": "For=203.0.113.9;by=10.0.0.1"}, "203.0.113.9"),
        ("10.0.0.1", {"Forwarded": "for=203.0.113.9, proto=https"}, ""),
        ("10.0.0.1", {"Forwarded": "for=10.9.9.9", "X-Forwarded-For": "203.0.113.9"}, "203.0.113.9"),
        ("", {"X-Forwarded-For": "10.0.0.1"}, ""),
    ],
)
def test_the_client_is_the_first_that_no_proxy_is(peer: str, headers: dict[str, str], expected: str) -> None:
    assert client_of(peer, Header(headers), PROXIES) == expected


def test_a_header_that_is_sent_twice_is_one_list() -> None:
    headers = Header([("x-forwarded-for", "10.9.9.9"), ("x-forwarded-for", "203.0.113.9")])
    assert client_of("10.0.0.1", headers, PROXIES) == "203.0.113.9"
