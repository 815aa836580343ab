"""A request on its way through the policies (`Hearing`), and what they decided of it (`Ruling`)."""

from __future__ import annotations

import msgspec

from gateway.ir.chat import Request
from gateway.routing.sending import Job


class Mirror(msgspec.Struct, frozen=True, tag=True):
    """A copy of a share of requests is to be sent to another route."""

    to: str
    sample: float = 1.0


class Ruling(msgspec.Struct, frozen=True):
    """What was decided. `applied`: the policies that held, in their order. `route`: where the last one that said so
    leads the request. `edited`: what became of it, None where nobody edited it."""

    applied: tuple[str, ...]
    mirrors: tuple[Mirror, ...] = ()
    route: str | None = None
    no_cache: bool = False
    edited: Job | None = None


class Hearing:
    """What the request is by now, and what was decided so far. Written by actions, in the order of the policies."""

    __slots__ = ("applied", "job", "mirrors", "no_cache", "route")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.route: str | None = None
        self.mirrors: list[Mirror] = []
        self.no_cache = False
        self.applied: list[str] = []

    def edit(self, request: Request) -> None:
        """Puts another request in its place; one that is the same leaves the client's bytes as they are."""
        if request != self.job.request():
            self.job = self.job.with_request(request)

    def ruling(self, asked: Job) -> Ruling:
        """Where all were heard: what they decided of a request."""
        return Ruling(
            applied=tuple(self.applied),
            mirrors=tuple(self.mirrors),
            route=self.route,
            no_cache=self.no_cache,
            edited=None if self.job is asked else self.job,
        )
