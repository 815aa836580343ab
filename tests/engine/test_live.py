"""Pins while a revision is tried out: who is served by which Engine, and when one may go."""

from __future__ import annotations

from pathlib import Path

from gateway.engine.canary import falls_to
from gateway.engine.engine import Engine
from gateway.engine.live import Live
from tests.engine.test_build import BASE, engine

SESSIONS = [f"session {index}" for index in range(200)]


def engines(tmp_path: Path) -> tuple[Engine, Engine, Engine]:
    texts = (BASE, BASE + "# second\n", BASE + "# third\n")
    first, second, third = (engine(tmp_path, text) for text in texts)
    return first, second, third


def test_a_trial_serves_its_sessions_until_it_is_withdrawn(tmp_path: Path) -> None:
    first, second, _ = engines(tmp_path)
    live = Live()
    live.swap(first)
    assert live.tried is None
    live.try_out(second, 0.3)
    assert live.tried is second
    assert live.engine is first, "what is in force stays"
    assert live.pin().engine is first, "who belongs to no session is served by it"
    pins = {session: live.pin_for(session) for session in SESSIONS}
    chosen = {session for session, pin in pins.items() if pin.engine is second}
    assert chosen == {session for session in SESSIONS if falls_to(second.revision, 0.3, session)}
    assert 30 < len(chosen) < 90
    assert dict(live.pins()) == {first.revision: 201 - len(chosen), second.revision: len(chosen)}
    live.withdraw()
    assert live.tried is None
    assert all(live.pin_for(session).engine is first for session in SESSIONS)
    assert dict(live.pins())[second.revision] == len(chosen)
    for session in chosen:
        live.release(pins[session])
    assert second.revision not in dict(live.pins()), "it goes with its last request"


def test_a_trial_that_is_promoted_drains(tmp_path: Path) -> None:
    first, second, third = engines(tmp_path)
    live = Live()
    live.swap(first)
    old = live.pin()
    live.try_out(second, 1.0)
    pin = live.pin_for("anybody")
    assert pin.engine is second
    live.withdraw()
    live.swap(third)
    assert (live.engine, live.tried) == (third, None)
    assert dict(live.pins()) == {first.revision: 1, second.revision: 1, third.revision: 0}
    live.release(old)
    assert dict(live.pins()) == {second.revision: 1, third.revision: 0}
    live.release(pin)
    assert dict(live.pins()) == {third.revision: 0}


def test_another_trial_takes_the_place_of_the_first(tmp_path: Path) -> None:
    first, second, third = engines(tmp_path)
    live = Live()
    live.swap(first)
    live.try_out(second, 1.0)
    pin = live.pin_for("anybody")
    live.try_out(third, 1.0)
    assert live.pin_for("anybody").engine is third
    assert dict(live.pins()) == {second.revision: 1, third.revision: 1, first.revision: 0}
    live.release(pin)
    assert dict(live.pins()) == {third.revision: 1, first.revision: 0}
