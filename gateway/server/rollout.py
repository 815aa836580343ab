"""What is in force, what is tried out beside it, and what was before: the supervisor's record of revisions.

A checked configuration comes in by `accept`: at once, or as its `gateway.reload` says, first for a share of the
sessions. Such a trial is judged every so often from the counts of all workers, and ends in one of four ways: promoted
when its time is over, aborted when it does worse than the revision in force or a worker dies, replaced by another
change, withdrawn by a rollback. Whatever ends it, the file stays as it is; where it then says something else than what
runs, `status` says so until the next change that comes into force.

The last configurations that were in force are kept for `rollback`, in memory: they hold secrets, which are not written
to disk. Every change is told by a `Changed`, the last ones are kept for GET /-/audit.

Clocks and sleeping are parameters: `clock` in seconds from anywhere, `wall` since the epoch; so is `summary`, which
says in one line what differs between two configurations.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from gateway.config.model import Config
from gateway.config.model_rules import Reload
from gateway.engine.canary import Seen, judge
from gateway.events import Changed
from gateway.server.crew import Offer
from gateway.telemetry.metrics import Sample

KEPT: Final = 5  # configurations that a rollback may go back to, the one in force among them
AUDITED: Final = 200
LOOKS: Final = 50  # at a trial, in its time, but
OFTEN: Final = 0.1  # seconds between two at the least
SELDOM: Final = 1.0  # and at the most
SILENCE: Final = 30.0  # seconds that a worker may give no counts
_SHOWN: Final = 12  # digits of a revision


class Workers(Protocol):
    """What is asked of `Crew`."""

    async def offer(self, offer: Offer) -> str | None:
        """Puts a configuration in force everywhere, or nowhere; then why."""

    async def try_out(self, offer: Offer, share: float) -> str | None:
        """Lets one serve a share of the sessions everywhere, or nowhere; then why."""

    async def promote(self) -> str | None:
        """Puts the one that is tried out in force everywhere, or nowhere; then why."""

    async def withdraw(self) -> None:
        """Ends the trial."""

    async def seen(self) -> Mapping[str, Seen] | None:
        """The counts of the trial so far, by the beginnings of revisions; None where a worker does not answer."""


class Accepted(msgspec.Struct, frozen=True):
    """A configuration that was checked and may be served."""

    offer: Offer
    config: Config

    @property
    def revision(self) -> str:
        """The revision of its files."""
        return self.offer.revision


class Trial:
    """A revision that serves a share of the sessions. `began` and `until` are of `clock`, `since` is of `wall`."""

    def __init__(self, accepted: Accepted, rules: Reload, who: str, began: float, since: float) -> None:
        self.accepted = accepted
        self.rules = rules
        self.who = who
        self.since = since
        self.until = began + rules.bake
        self.old = Seen()
        self.new = Seen()
        self.task: asyncio.Task[None] | None = None


class Rollout:
    """`told` is called when `status` has changed; `emit` is given every change. `changing` is held by whoever changes
    what is in force, the end of a trial included: `accept` and `rollback` are called with it."""

    def __init__(
        self,
        first: Accepted,
        workers: Workers,
        *,
        emit: Callable[[Changed], None],
        told: Callable[[], None],
        changing: asyncio.Lock,
        clock: Callable[[], float],
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        summary: Callable[[Offer, Offer], Awaitable[str]],
    ) -> None:
        self._workers = workers
        self._emit = emit
        self._told = told
        self._changing = changing
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self._summary = summary
        self._line = [first]  # what was in force, in order; the last is
        self._trial: Trial | None = None
        self._apart: dict[str, Any] | None = None  # why what runs is not what the file says
        self._audit: deque[Changed] = deque(maxlen=AUDITED)
        self._counts: dict[str, int] = {}

    @property
    def current(self) -> Accepted:
        """What is in force."""
        return self._line[-1]

    async def accept(self, new: Accepted, who: str) -> dict[str, Any]:
        """Brings a checked configuration into force, or begins its trial. `outcome` says which: "reloaded", "canary",
        "unchanged", or "rejected" where a worker could not prepare it."""
        trial = self._trial
        if trial is not None and trial.accepted.revision == new.revision:
            return {"outcome": "unchanged", "revision": self.current.revision, "canary": self._of(trial)}
        if trial is not None:
            await self._end(trial)
            same = new.revision == self.current.revision
            why = "the file was put back" if same else f"the file was changed again, to {new.revision[:_SHOWN]}"
            self._tell("canary-aborted", who, trial.accepted.revision, self.current.revision, why)
        if new.revision == self.current.revision:
            self._apart = None
            return {"outcome": "unchanged", "revision": self.current.revision}
        rules = new.config.gateway.reload
        if isinstance(rules, Reload) and new.offer.payload != self.current.offer.payload:
            return await self._try(new, rules, who)
        old = self.current
        error = await self._workers.offer(new.offer)
        if error is not None:
            return self._not_prepared(new, error)
        self._in_force(new)
        self._tell("reloaded", who, old.revision, new.revision, plan=await self._summary(old.offer, new.offer))
        return {"outcome": "reloaded", "revision": new.revision}

    async def _try(self, new: Accepted, rules: Reload, who: str) -> dict[str, Any]:
        error = await self._workers.try_out(new.offer, rules.canary)
        if error is not None:
            return self._not_prepared(new, error)
        trial = self._trial = Trial(new, rules, who, self._clock(), self._wall())
        trial.task = asyncio.get_running_loop().create_task(self._bake(trial))
        share = f"{rules.canary * 100:g}% of the sessions for {rules.bake:g}s"
        plan = await self._summary(self.current.offer, new.offer)
        self._tell("canary-began", who, self.current.revision, new.revision, share, plan)
        return {"outcome": "canary", "revision": self.current.revision, "canary": self._of(trial)}

    def _not_prepared(self, new: Accepted, error: str) -> dict[str, Any]:
        return {
            "outcome": "rejected",
            "revision": self.current.revision,
            "rejected_revision": new.revision,
            "diagnostics": [{"code": "not-prepared", "severity": "error", "at": "workers", "detail": error}],
        }

    async def _bake(self, trial: Trial) -> None:
        """Looks at a trial until it has ended. No worker's silence is taken for a good sign."""
        pause = min(SELDOM, max(OFTEN, trial.rules.bake / LOOKS))
        heard = self._clock()
        while self._trial is trial:
            left = trial.until - self._clock()
            await self._sleep(min(pause, left) if left > 0 else pause)
            seen = await self._workers.seen()
            now = self._clock()
            async with self._changing:
                if self._trial is not trial:
                    return
                if seen is not None:
                    heard = now
                    await self._judge(trial, seen, last=now >= trial.until)
                elif now - heard >= SILENCE:
                    await self._abort(trial, f"a worker gave no counts for {SILENCE:g}s")
                self._told()

    async def _judge(self, trial: Trial, seen: Mapping[str, Seen], *, last: bool) -> None:
        trial.old = seen.get(self.current.revision[:_SHOWN], Seen())
        trial.new = seen.get(trial.accepted.revision[:_SHOWN], Seen())
        why = judge(trial.old, trial.new, trial.rules.abort_if, last=last)
        if why is not None:
            await self._abort(trial, why)
        elif last:
            await self._promote(trial)

    async def lost(self, why: str) -> None:
        """A worker died. During a trial that is held against it: a configuration that kills workers must not spread."""
        async with self._changing:
            if self._trial is not None:
                await self._abort(self._trial, why)
                self._told()

    async def _abort(self, trial: Trial, why: str) -> None:
        await self._end(trial)
        self._part("canary-aborted", trial.accepted.revision, why)
        self._tell("canary-aborted", trial.who, trial.accepted.revision, self.current.revision, why)

    async def _promote(self, trial: Trial) -> None:
        old = self.current.revision
        error = await self._workers.promote()
        if error is not None:
            await self._abort(trial, error)
            return
        self._trial = None
        self._in_force(trial.accepted)
        failed = f"{trial.new.failed} of its {trial.new.requests} requests failed"
        few = trial.new.requests < trial.rules.abort_if.min_requests
        why = f"{failed}, which are fewer than `min_requests`" if few else failed
        self._tell("canary-promoted", trial.who, old, trial.accepted.revision, why)

    async def _end(self, trial: Trial) -> None:
        """Takes a trial back everywhere."""
        self._trial = None
        if trial.task is not None and trial.task is not asyncio.current_task():
            trial.task.cancel()
        await self._workers.withdraw()

    async def rollback(self, to: str, who: str) -> dict[str, Any]:
        """Goes back: ends a trial, else to the configuration that was in force before, or to revision `to`, by its
        beginning. `outcome` is "canary-aborted", "rolled-back", "unchanged", or "rejected" with `detail`."""
        trial = self._trial
        back = [each for each in self._line if each.revision.startswith(to)] if to else self._line[-2:-1]
        if to and len(back) != 1:
            kept = ", ".join(each.revision[:_SHOWN] for each in self._line)
            detail = f"Revision {to[:64]!r} is {'several' if back else 'none'} of those that are kept: {kept}."
            return self._refused(who, to, detail)
        if trial is not None:
            await self._end(trial)
            self._part("rolled-back", trial.accepted.revision, f"{who} took the canary back")
            self._tell("canary-aborted", who, trial.accepted.revision, self.current.revision, "it was rolled back")
            if not to:
                return {"outcome": "canary-aborted", "revision": self.current.revision}
        if not back:
            return self._refused(who, to, "Nothing was in force before: there is nothing to go back to.")
        (target,) = back
        if target.revision == self.current.revision:
            return {"outcome": "unchanged", "revision": self.current.revision}
        before, old = self.current.offer, self.current.revision
        error = await self._workers.offer(target.offer)
        if error is not None:
            return self._refused(who, to, error)
        file = self._apart["file"] if self._apart is not None else old
        self._line = self._line[: self._line.index(target) + 1]
        self._apart = None
        if file != target.revision:
            self._part("rolled-back", file, f"{who} rolled back from {old[:_SHOWN]}")
        self._tell("rolled-back", who, old, target.revision, plan=await self._summary(before, target.offer))
        return {"outcome": "rolled-back", "revision": target.revision, "from": old}

    def _refused(self, who: str, to: str, detail: str) -> dict[str, Any]:
        self._tell("rollback-refused", who, self.current.revision, to, detail)
        return {"outcome": "rejected", "revision": self.current.revision, "detail": detail}

    def refused(self, who: str, revision: str, why: str) -> None:
        """A file was not accepted."""
        self._tell("rejected", who, self.current.revision, revision, why)

    def _in_force(self, new: Accepted) -> None:
        self._line = [*(each for each in self._line if each.revision != new.revision), new][-KEPT:]
        self._apart = None

    def _part(self, outcome: str, file: str, why: str) -> None:
        self._apart = {
            "why": outcome,
            "file": file,
            "detail": why,
            "since": moment(self._wall()),
            "do": "Mend the file, or put it back; POST /-/reload tries it again as it is.",
        }

    def _tell(
        self, outcome: str, who: str, old: str, new: str, why: str | None = None, plan: str | None = None
    ) -> None:
        changed = Changed(at=self._wall(), outcome=outcome, who=who, old=old, new=new, why=why, plan=plan)
        self._audit.append(changed)
        self._counts[outcome] = self._counts.get(outcome, 0) + 1
        self._emit(changed)

    def _of(self, trial: Trial) -> dict[str, Any]:
        return {
            "revision": trial.accepted.revision,
            "share": trial.rules.canary,
            "since": moment(trial.since),
            "until": moment(trial.since + trial.rules.bake),
            "who": trial.who,
            "requests": trial.new.requests,
            "failed": trial.new.failed,
            "kinds": trial.new.kinds,
            "median_seconds": trial.new.median(),
            "old": {
                "requests": trial.old.requests,
                "failed": trial.old.failed,
                "kinds": trial.old.kinds,
                "median_seconds": trial.old.median(),
            },
        }

    def status(self) -> dict[str, Any]:
        """For /health: what runs with its shares, the trial, why it is not what the file says, what can be gone back
        to."""
        trial = self._trial
        share = trial.rules.canary if trial is not None else 0.0
        shares = {self.current.revision: round(1 - share, 6)}
        if trial is not None:
            shares[trial.accepted.revision] = share
        return {
            "revision": self.current.revision,
            "shares": shares,
            "canary": self._of(trial) if trial is not None else None,
            "not_the_file": self._apart,
            "kept": [each.revision for each in self._line],
        }

    def audit(self) -> list[dict[str, Any]]:
        """The last changes, the latest first."""
        return [{**msgspec.structs.asdict(changed), "at": moment(changed.at)} for changed in reversed(self._audit)]

    def samples(self) -> list[Sample]:
        """For /metrics: changes by outcome, the trial, and whether what runs is not what the file says."""
        samples = [Sample("gateway_changes_total", (name,), [count]) for name, count in self._counts.items()]
        trial = self._trial
        if trial is not None:
            labels = (trial.accepted.revision[:_SHOWN],)
            samples.append(Sample("gateway_canary_share", labels, [trial.rules.canary]))
        why = self._apart["why"] if self._apart is not None else ""
        samples.append(Sample("gateway_config_not_the_file", (why,), [float(bool(why))]))
        return samples

    async def close(self) -> None:
        """Ends the looking; what is tried out ends with the workers."""
        task = self._trial.task if self._trial is not None else None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def moment(wall: float) -> str:
    """A time of `wall`, as the gateway writes times."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
