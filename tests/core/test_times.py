"""Times as lengths: what is read, how it is shown, what is refused."""

from __future__ import annotations

import pytest

from lr_callbacks import SGDR
from lr_callbacks.core.durations import Duration


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("90 s", 90, "1.5 min"),
        ("11h30m", 41400, "11.5 h"),
        ("1.5 h", 5400, "1.5 h"),
        ("30 min", 1800, "30 min"),
        ("2 days 1 hour 5 minutes", 176700, "49.08 h"),
        (".5S", 0.5, "0.5 s"),
    ],
)
def test_a_time_is_read_as_it_is_written(text, seconds, shown):
    assert Duration.parse(text) == Duration.find(text) == Duration(seconds, "seconds")
    assert str(Duration.parse(text)) == shown


@pytest.mark.parametrize("text", ["30m11h", "5 min 5 min", "3 fortnights", "-30 min", "1h 5%", "5 min 3", "1h30"])
def test_what_is_no_time_is_refused_with_the_ways_out(text):
    with pytest.raises(ValueError, match=r"duration has an unknown unit, got .*'30 min' \(of max_time"):
        Duration.parse(text)


def test_a_time_of_nothing_is_refused_where_a_length_is_needed():
    assert Duration.parse("0 s").value == 0
    with pytest.raises(ValueError, match="must be positive, got '0 min'"):
        SGDR("0 min")
