"""How a revision comes into force and goes again, on a virtual clock and with make-believe workers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from gateway.config.model import Config
from gateway.engine.canary import Seen
from gateway.events import Changed
from gateway.server.crew import Offer
from gateway.server.rollout import AUDITED, KEPT, Accepted, Rollout

TIMES = Seen().times


class Time:
    """A clock that jumps to the next sleeper whenever everybody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, future))
        await future

    async def pass_(self, seconds: float) -> None:
        """Lets so much time go by."""
        until = self.now + seconds
        while True:
            for _ in range(10):
                await asyncio.sleep(0)
            due = sorted((each for each in self._sleepers if not each[1].done()), key=lambda each: each[0])
            if not due or due[0][0] > until:
                self.now = until
                return
            self.now = due[0][0]
            due[0][1].set_result(None)


class Workers:
    """What is asked of them, in order, and what they have seen of whom."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.counts: dict[str, Seen] | None = {}
        self.error: str | None = None

    async def offer(self, offer: Offer) -> str | None:
        self.asked.append(f"offer {offer.revision}")
        return self.error

    async def try_out(self, offer: Offer, share: float) -> str | None:
        self.asked.append(f"try {offer.revision} {share:g}")
        return self.error

    async def promote(self) -> str | None:
        self.asked.append("promote")
        return self.error

    async def withdraw(self) -> None:
        self.asked.append("withdraw")

    async def seen(self) -> Mapping[str, Seen] | None:
        return self.counts


def accepted(revision: str, reload: Any = True, payload: str = "") -> Accepted:
    config = Config.model_validate({"version": 1, "gateway": {"auth": "open", "reload": reload}})
    return Accepted(Offer(revision, (payload or revision).encode()), config)


async def differs(old: Offer, new: Offer) -> str:
    return f"from {old.revision} to {new.revision}"


CANARY = {"canary": "5%", "bake": "10m", "abort_if": {"min_requests": 10}}


class Case:
    """A rollout that serves revision `a`."""

    def __init__(self) -> None:
        self.time = Time()
        self.workers = Workers()
        self.changes: list[Changed] = []
        self.rollout = Rollout(
            accepted("a"),
            self.workers,
            emit=self.changes.append,
            told=lambda: None,
            changing=asyncio.Lock(),
            clock=lambda: self.time.now,
            wall=lambda: 1_800_000_000.0 + self.time.now,
            sleep=self.time.sleep,
            summary=differs,
        )

    def outcomes(self) -> list[str]:
        return [f"{change.outcome} {change.old}>{change.new}" for change in self.changes]


async def test_without_a_canary_it_is_in_force_at_once() -> None:
    case = Case()
    assert await case.rollout.accept(accepted("b"), "a test") == {"outcome": "reloaded", "revision": "b"}
    assert case.workers.asked == ["offer b"]
    assert case.rollout.status() == {
        "revision": "b", "shares": {"b": 1.0}, "canary": None, "not_the_file": None, "kept": ["a", "b"],
    }  # fmt: skip
    case.workers.error = "worker 1 did not prepare it within 60s"
    refused = await case.rollout.accept(accepted("c", CANARY), "a test")
    assert refused["outcome"] == "rejected"
    assert case.rollout.status()["canary"] is None
    assert case.outcomes() == ["reloaded a>b"]


async def test_a_canary_bakes_and_is_promoted() -> None:
    case = Case()
    began = await case.rollout.accept(accepted("b", CANARY), "a test")
    assert (began["outcome"], began["revision"]) == ("canary", "a")
    assert (began["canary"]["since"], began["canary"]["until"]) == (
        "2027-01-15T08:00:00.000Z",
        "2027-01-15T08:10:00.000Z",
    )
    await case.time.pass_(300)
    case.workers.counts = {"a": Seen(950, 3, {"timeout": 3}, TIMES), "b": Seen(50, 1, {"timeout": 1}, TIMES)}
    await case.time.pass_(299)
    assert case.workers.asked == ["try b 0.05"]
    status = case.rollout.status()
    assert status["shares"] == {"a": 0.95, "b": 0.05}
    assert (status["canary"]["requests"], status["canary"]["old"]["failed"]) == (50, 3)
    await case.time.pass_(1)
    assert case.workers.asked == ["try b 0.05", "promote"]
    assert case.outcomes() == ["canary-began a>b", "canary-promoted a>b"]
    assert case.changes[-1].why == "1 of its 50 requests failed"
    assert [change.plan for change in case.changes] == ["from a to b", None], "said once"
    assert case.rollout.current.revision == "b"
    assert case.rollout.status()["shares"] == {"b": 1.0}


async def test_a_quiet_canary_is_promoted_and_says_so() -> None:
    case = Case()
    await case.rollout.accept(accepted("b", CANARY), "a test")
    await case.time.pass_(601)
    assert case.changes[-1].why == "0 of its 0 requests failed, which are fewer than `min_requests`"


async def test_a_failing_canary_is_aborted_at_the_next_look() -> None:
    case = Case()
    await case.rollout.accept(accepted("b", CANARY), "a test")
    await case.time.pass_(100)
    case.workers.counts = {"a": Seen(200, 0, {}, TIMES), "b": Seen(9, 9, {"auth": 9}, TIMES)}
    await case.time.pass_(5)
    assert case.workers.asked == ["try b 0.05"], "too few"
    case.workers.counts = {"a": Seen(200, 0, {}, TIMES), "b": Seen(10, 10, {"auth": 10}, TIMES)}
    await case.time.pass_(1)
    assert case.workers.asked == ["try b 0.05", "withdraw"]
    status = case.rollout.status()
    assert (status["revision"], status["shares"], status["canary"]) == ("a", {"a": 1.0}, None)
    assert status["not_the_file"]["file"] == "b"
    assert status["not_the_file"]["detail"].startswith("10 of its 10 requests failed (100%; auth 10)")
    await case.time.pass_(3600)
    assert case.outcomes() == ["canary-began a>b", "canary-aborted b>a"]
    assert case.rollout.status()["kept"] == ["a"], "nobody goes back to it"


async def test_a_few_failures_are_judged_at_the_end() -> None:
    case = Case()
    await case.rollout.accept(accepted("b", CANARY), "a test")
    case.workers.counts = {"a": Seen(200, 0, {}, TIMES), "b": Seen(4, 4, {"auth": 4}, TIMES)}
    await case.time.pass_(601)
    assert case.outcomes() == ["canary-began a>b", "canary-aborted b>a"]


async def test_an_edit_meanwhile() -> None:
    case = Case()
    await case.rollout.accept(accepted("b", CANARY), "a test")
    await case.time.pass_(590)
    assert (await case.rollout.accept(accepted("b", CANARY), "again"))["outcome"] == "unchanged"
    assert (await case.rollout.accept(accepted("c", CANARY), "an edit"))["outcome"] == "canary"
    await case.time.pass_(590)
    assert case.workers.asked == ["try b 0.05", "withdraw", "try c 0.05"], "its time begins anew"
    assert case.changes[1].why == "the file was changed again, to c"
    assert (await case.rollout.accept(accepted("a", CANARY), "put back"))["outcome"] == "unchanged"
    assert case.changes[-1].why == "the file was put back"
    await case.time.pass_(3600)
    assert case.workers.asked == ["try b 0.05", "withdraw", "try c 0.05", "withdraw"]
    assert case.rollout.status()["not_the_file"] is None
    await case.rollout.accept(accepted("d", CANARY), "an edit")
    assert (await case.rollout.accept(accepted("e"), "a file without a canary"))["outcome"] == "reloaded"
    assert case.rollout.current.revision == "e"


async def test_what_says_the_same_needs_no_canary() -> None:
    case = Case()
    assert (await case.rollout.accept(accepted("b", CANARY, payload="a"), "a comment"))["outcome"] == "reloaded"


async def test_a_dead_worker_ends_a_canary() -> None:
    case = Case()
    await case.rollout.lost("worker 0 died (exit -9)")
    assert case.changes == []
    await case.rollout.accept(accepted("b", CANARY), "a test")
    await case.rollout.lost("worker 0 died (exit -9)")
    assert case.changes[-1].why == "worker 0 died (exit -9)"
    assert case.workers.asked == ["try b 0.05", "withdraw"]


async def test_what_cannot_be_prepared_for_all_is_taken_back() -> None:
    case = Case()
    await case.rollout.accept(accepted("b", CANARY), "a test")
    case.workers.error = "worker 0 did not prepare it within 60s"
    await case.time.pass_(601)
    assert case.workers.asked == ["try b 0.05", "promote", "withdraw"]
    assert case.rollout.current.revision == "a"
    assert case.changes[-1].why == case.workers.error


async def test_silence_is_no_good_sign() -> None:
    case = Case()
    await case.rollout.accept(accepted("b", CANARY), "a test")
    case.workers.counts = None
    await case.time.pass_(20)
    case.workers.counts = {}
    await case.time.pass_(570)
    case.workers.counts = None
    await case.time.pass_(25)
    assert case.workers.asked == ["try b 0.05"], "it is not promoted unseen"
    await case.time.pass_(10)
    assert case.workers.asked == ["try b 0.05", "withdraw"]
    assert case.changes[-1].why == "a worker gave no counts for 30s"


async def test_rollback_goes_back_step_by_step() -> None:
    case = Case()
    rollout = case.rollout
    for revision in "bcd":
        await rollout.accept(accepted(revision), "a test")
    assert (await rollout.rollback("", "anna"))["revision"] == "c"
    assert case.changes[-1].plan == "from d to c"
    assert rollout.status()["not_the_file"]["file"] == "d"
    assert (await rollout.rollback("", "anna"))["revision"] == "b"
    assert rollout.status()["not_the_file"]["file"] == "d", "that is still what the file says"
    assert rollout.status()["kept"] == ["a", "b"]
    await rollout.accept(accepted("e"), "an edit")
    assert rollout.status()["not_the_file"] is None
    assert (await rollout.rollback("", "anna"))["revision"] == "b", "what was rolled back from is not gone back to"
    assert (await rollout.rollback("a", "anna"))["revision"] == "a"
    assert (await rollout.rollback("", "anna"))["outcome"] == "rejected"
    assert (await rollout.rollback("zz", "anna"))["outcome"] == "rejected"
    assert (await rollout.rollback("a", "anna"))["outcome"] == "unchanged"
    assert case.changes[-1].outcome == "rollback-refused"


async def test_rollback_ends_a_canary() -> None:
    case = Case()
    await case.rollout.accept(accepted("b"), "a test")
    await case.rollout.accept(accepted("c", CANARY), "a test")
    assert await case.rollout.rollback("", "anna") == {"outcome": "canary-aborted", "revision": "b"}
    assert case.rollout.status()["not_the_file"]["file"] == "c"
    await case.rollout.accept(accepted("c", CANARY), "again")
    assert (await case.rollout.rollback("a", "anna"))["outcome"] == "rolled-back"
    assert case.workers.asked[-3:] == ["try c 0.05", "withdraw", "offer a"]
    assert case.rollout.status()["not_the_file"]["file"] == "c"


async def test_a_rollback_that_cannot_be_prepared_changes_nothing() -> None:
    case = Case()
    await case.rollout.accept(accepted("b"), "a test")
    case.workers.error = "worker 0 did not prepare it within 60s"
    refused = await case.rollout.rollback("", "anna")
    assert (refused["outcome"], refused["revision"]) == ("rejected", "b")
    assert case.workers.asked[-1].startswith("offer")
    assert case.rollout.status()["not_the_file"] is None


async def test_what_is_kept_is_bounded() -> None:
    case = Case()
    for number in range(AUDITED + 50):
        await case.rollout.accept(accepted(f"{number}"), "a test")
    assert len(case.rollout.status()["kept"]) == KEPT
    assert len(case.rollout.audit()) == AUDITED
    assert case.rollout.audit()[0]["new"] == f"{AUDITED + 49}"
    await case.rollout.accept(accepted("0"), "a test")
    await case.rollout.accept(accepted("1"), "a test")
    await case.rollout.accept(accepted("0"), "a test")
    assert case.rollout.status()["kept"][-2:] == ["1", "0"], "each once, where it was last"
