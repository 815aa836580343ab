"""Who a client is beyond its key: its address behind proxies, and what its key lets it say of itself.

An address is read from the right: every hop that is one of `gateway.trusted_proxies` says who came to it, the first
that is none is the client. So what a client writes into the header itself is never reached. `X-Forwarded-For` counts;
only where there is none, `Forwarded` (RFC 7239) does. A hop that is no address makes the client unknown, which is an
address in no network.

`job_of` is the one way by which a request becomes work, of a socket or of an explanation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.engine.access import Caller
from gateway.engine.engine import Engine
from gateway.protocols import peeking
from gateway.protocols.contract import Head, Protocol
from gateway.protocols.surfaces import operation_of
from gateway.routing.conditions import Network, address_of, header_values, within
from gateway.routing.facts import Facts
from gateway.routing.sending import Job
from gateway.routing.sessions import SESSION_HEADERS

USER_HEADER: Final = "x-gateway-user"
TAGS_HEADER: Final = "x-gateway-tags"
TAGS_MOST: Final = 20
LONGEST: Final = 200  # characters of a user

_TAG: Final = re.compile(r"[A-Za-z0-9._:/@+=-]{1,100}")
_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+):\d+")
_FOR: Final = re.compile(r'for\s*=\s*("[^"]*"|[^;,\s]+)', re.IGNORECASE)


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came: its head unread by anybody, `headers` by lower-case name, `peer` whose connection it is.

    `operation` as surfaces have it; `wall`: seconds since the epoch at its beginning.
    """

    protocol: Protocol
    head: Head
    headers: Mapping[str, str] = {}
    peer: str = "127.0.0.1"
    operation: str = "chat"
    wall: float = 0.0
    request_id: str = ""


def job_of(engine: Engine, caller: Caller | None, received: Received, head: Head) -> Job:
    """The request as work, with the client's headers that another provider of the same wire may see. `head`: what is
    left of it without hints."""
    headers, protocol = received.headers, received.protocol
    facts = Facts(
        key=caller.name if caller is not None else None,
        team=caller.team if caller is not None else None,
        tags=caller.tags if caller is not None else (),
        session=next((str(headers[name]) for name in SESSION_HEADERS if name in headers), ""),
        headers=headers,
        client_ip=client_of(received.peer, headers, engine.proxies) if engine.proxies else received.peer,
        operation=operation_of(received.operation),
        protocol=protocol.name,
        asked=head.model,
        stream=head.stream,
        wall=received.wall,
        request_id=received.request_id,
    )
    if caller is not None and caller.trust:
        believed(facts, caller, head)
    sent = tuple((name, str(headers[name])) for name in protocol.forwards if name in headers)
    return Job(protocol, head, sent, facts)


def client_of(peer: str, headers: Mapping[str, str], proxies: tuple[Network, ...]) -> str:
    """The client's address; "" where a trusted proxy does not say one. `peer` is whose connection it is."""
    if not within(proxies, peer):
        return peer
    at = peer
    for hop in reversed(_hops(headers)):
        if address_of(hop) is None:
            return ""
        at = hop
        if not within(proxies, hop):
            break
    return at


def _hops(headers: Mapping[str, str]) -> list[str]:
    """The addresses that proxies wrote, the nearest last."""
    lines = header_values(headers, "x-forwarded-for")
    if lines:
        return [_bare(each) for line in lines for each in line.split(",")]
    hops = []
    for line in header_values(headers, "forwarded"):
        for element in line.split(","):
            said = _FOR.search(element)
            hops.append(_bare(said[1].strip('"')) if said is not None else "")
    return hops


def _bare(text: str) -> str:
    """An address without its port and brackets."""
    text = text.strip()
    match = _PORT.fullmatch(text)
    return text if match is None else match[1] or match[2]


def believed(facts: Facts, caller: Caller, head: Head) -> None:
    """Takes into the facts what a key that says `trust` believes of its requests."""
    headers = facts.headers
    if "user" in caller.trust:
        user = headers.get(USER_HEADER) or peeking.user_of(facts.protocol, head)
        if user and len(user) <= LONGEST:
            facts.user = user
    if "tags" in caller.trust:
        said = [each.strip() for line in header_values(headers, TAGS_HEADER) for each in line.split(",")]
        tags = [tag for tag in said if _TAG.fullmatch(tag)][:TAGS_MOST]
        facts.tags = tuple(dict.fromkeys((*facts.tags, *tags)))
