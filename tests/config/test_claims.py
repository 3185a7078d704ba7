"""Claims, their contrasts and the ranges in which they expect them."""

import math

import pytest

from kd_core.config.claims import MORE, TOPICS, Expectation, Term, at_most, claims, find, gain, network, within


@pytest.mark.parametrize(
    ("expected", "interval", "outcome"),
    [
        (MORE, (0.1, 3.0), "holds"),
        (MORE, (-3.0, -0.1), "fails"),
        (MORE, (-0.1, 3.0), "open"),
        (MORE, (-2.0, 0.0), "fails"),
        (within(2), (-1.9, 1.9), "holds"),
        (within(2), (-2.1, 1.0), "open"),
        (within(2), (1.0, 5.0), "open"),
        (within(2), (2.5, 5.0), "fails"),
        (within(2), (-9.0, -2.0), "fails"),
        (within(2), (-9.0, 9.0), "open"),
        (at_most(1), (-8.0, 0.9), "holds"),
        (at_most(1), (-8.0, 1.1), "open"),
        (at_most(1), (1.0, 4.0), "fails"),
    ],
)
def test_an_interval_decides_only_where_it_lies_on_one_side(
    expected: Expectation, interval: tuple[float, float], outcome: str
) -> None:
    assert expected.outcome(interval) == outcome


def test_expectations_are_read_in_words() -> None:
    texts = [expected.in_words() for expected in (MORE, at_most(1), at_most(2), within(2))]
    assert texts == ["more than 0 points", "less than 1 point", "less than 2 points", "within ±2 points"]
    assert MORE.high == math.inf


def test_a_difference_of_gains_has_four_terms_with_their_signs() -> None:
    contrast = gain("few") - gain("many", "exit 1", "alone")
    assert contrast.terms == (
        Term(1, "few", "student"), Term(-1, "few", "baseline"), Term(-1, "many", "exit 1"), Term(1, "many", "alone"),
    )  # fmt: skip


def test_a_contrast_can_be_weighted() -> None:
    contrast = network("all") - 0.5 * network("all", "teacher") - 0.5 * network("all", "baseline")
    assert [term.weight for term in contrast.terms] == [1, -0.5, -0.5]


def test_claims_are_in_the_order_of_their_topics() -> None:
    topics = [claim.topic for claim in claims().values() if claim.topic in TOPICS]
    assert topics == sorted(topics, key=TOPICS.index)
    assert len(claims()) >= 22


def test_an_unknown_claim_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r'claim = "nothing": choose one of .*few_labels'):
        find("nothing")
