from __future__ import annotations

import pytest

from zeeman.errors import ZeemanError
from zeeman.phases import Pulse, group


def pulse(start, end, z=10.0, date=None):
    return Pulse(start, end, (start - 10, end + 10), date or (start + end) / 2, 5.0, 0.5, z, 1.0)


def test_anchor_gives_interval_and_date_and_signals_come_by_z():
    llc, repeats, text = pulse(1500, 2100, 8), pulse(1600, 1900, 30), pulse(1000, 1550, 20)
    (transition,) = group({"llc": [llc], "repeats": [repeats], "text": [text]}, anchor="llc")
    assert (transition.interval, transition.date) == (llc.interval, llc.date)
    assert list(transition.signals) == ["repeats", "text", "llc"]
    assert not transition.flagged


def test_without_anchor_the_largest_z_leads():
    llc, repeats = pulse(1500, 2100, 8), pulse(1600, 1900, 30)
    (transition,) = group({"llc": [llc], "repeats": [repeats]})
    assert (transition.interval, transition.date) == (repeats.interval, repeats.date)


def test_two_pulses_of_the_anchor_never_merge():
    early, late, bridge = pulse(100, 200), pulse(400, 900), pulse(150, 800, 99)
    first, second = group({"llc": [late, early], "text": [bridge]}, anchor="llc")
    assert dict(first.signals) == {"llc": early}
    assert dict(second.signals) == {"text": bridge, "llc": late}


def test_what_does_not_overlap_stays_apart_in_order_of_date():
    late, early, touching = pulse(900, 1000), pulse(100, 200), pulse(200, 300)
    found = group({"a": [late], "b": [early], "c": [touching]}, anchor="a")
    assert [list(transition.signals) for transition in found] == [["b"], ["c"], ["a"]]


def test_a_chain_of_neighbours_does_not_merge_its_ends():
    lead, middle, end = pulse(100, 300, 30), pulse(250, 500, 20), pulse(450, 700, 10)
    found = group({"a": [lead], "b": [middle], "c": [end]})
    assert [list(transition.signals) for transition in found] == [["a", "b"], ["c"]]


def test_the_strongest_pulse_speaks_for_a_signal():
    strong, weak = pulse(400, 450, 9), pulse(600, 650, 5)
    (transition,) = group({"llc": [pulse(300, 900, 4)], "text": [weak, strong]}, anchor="llc")
    assert transition.signals["text"] == strong


@pytest.mark.parametrize(
    ("edge", "crossed"), [((150, 160), True), ((0, 90), False), ((210, 300), False), ((0, 999), True)]
)
def test_edges_in_doubt_flag_the_transitions_that_cross_them(edge, crossed):
    (transition,) = group({"llc": [pulse(100, 200)]}, flagged={edge})
    assert transition.flagged is crossed


def test_nothing_gives_nothing_and_an_unknown_anchor_is_refused():
    assert group({"llc": [], "text": []}, anchor="llc") == []
    with pytest.raises(ZeemanError, match="anchor"):
        group({"text": []}, anchor="llc")
