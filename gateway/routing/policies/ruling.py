"""A request on its way through the policies: what it is by now, and what was decided of it so far."""

from __future__ import annotations

import msgspec

from gateway.ir.chat import Request
from gateway.routing.sending import Job


class Mirror(msgspec.Struct, frozen=True, tag=True):
    """A copy of a share of requests is to be sent to another route."""

    to: str
    sample: float = 1.0


class Ruling:
    """Written by actions, in the order of the policies. `route` is where the last one that said so leads it."""

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
