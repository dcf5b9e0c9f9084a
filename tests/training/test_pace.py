"""Speed and remaining time, on a clock that the test turns."""

from __future__ import annotations

import pytest

from napari_scfm.training.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rate_and_time_left() -> None:
    clock = Clock()
    pace = Pace(steps=20, epochs=2, clock=clock)
    assert pace.figures() == {}
    for _ in range(10):
        clock.now += 0.5
        pace.step()
    assert pace.figures() == pytest.approx({"rate": 2.0, "seconds_left": 5.0})
    clock.now += 3.0
    pace.epoch()
    assert pace.figures() == pytest.approx({"rate": 2.0, "seconds_left": 8.0})


def test_one_slow_step_moves_the_rate_only_a_little() -> None:
    clock = Clock()
    pace = Pace(steps=1000, epochs=1, clock=clock)
    for _ in range(100):
        clock.now += 1.0
        pace.step()
    clock.now += 11.0
    pace.step()
    assert pace.figures()["rate"] == pytest.approx(0.5)
    for _ in range(60):
        clock.now += 1.0
        pace.step()
    assert pace.figures()["rate"] == pytest.approx(1.0, rel=0.01)
