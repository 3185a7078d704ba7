"""Is it luck? (Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, gain
from kd_core.config.lessons import Change, Choice, Lesson, Point

RUNS = {"dataset": "digits", "labelled": "50"}

LESSON = Lesson(
    order=5,
    title="Is it luck?",
    minutes=3,
    idea=(
        "Two trainings of one network end with different numbers: the seed decides the first weights, the order of "
        "the examples, and here also which 50 images have labels.",
        "Five pairs of a student and its baseline differ in their seed alone. The first gain is shown.",
    ),
    question="How far apart will the smallest and the largest of the five gains be?",
    families={"50 labels": RUNS},
    points={
        f"seed{number}": Point(
            f"pair {number + 1}", gain("50 labels"), is_given=number == 0, seed=number
        )
        for number in range(5)
    },
    difference=gain("50 labels"),
    choices=(
        Choice(
            "Less than 1.5 points apart.", Expectation(high=1.5),
            "Your gains reach from {low} to {high} points, only {difference} apart. That is unusual: on these data "
            "they mostly differ by 2 to 5 points. With five pairs so alike one pair would nearly have been enough.",
        ),
        Choice(
            "1.5 to 3 points apart.", Expectation(1.5, 3),
            "Your gains reach from {low} to {high} points, {difference} apart. One pair alone could have shown "
            "either end. Only their mean and its confidence interval say what the teacher is worth.",
        ),
        Choice(
            "More than 3 points apart.", Expectation(low=3),
            "Your gains reach from {low} to {high} points, {difference} apart, nearly as much as the gain. Whoever "
            "publishes one pair can choose the result. That is why every verdict here counts its seeds.",
        ),
    ),
    expected=2,
    notice="Would you have believed the first pair alone?",
    change=Change("Repeat any run of yours with four more seeds, and see its verdict change.", "distill", RUNS),
    axis=("gain over the baseline, points", -5, 20),
    is_spread=True,
)  # fmt: skip
