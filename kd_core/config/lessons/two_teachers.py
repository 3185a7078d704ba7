"""Two teachers, one student (Shen et al. 2019, section 3)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, gain, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

FAMILY = "0 to 4 and 5 to 9"
MERGED = {"dataset": "digits", "labelled": "0", "epochs": "30", "scheme": "merge"}

LESSON = Lesson(
    order=10,
    title="Two teachers, one student",
    minutes=4,
    idea=(
        "One teacher has learned the digits 0 to 4, another one 5 to 9; neither knows the other’s classes. A student "
        "sees images of all ten digits without any label, and gets the probabilities of both teachers.",
        "Its baseline has the labels of all images instead.",
    ),
    question="How far behind the baseline with all labels is the student that has none?",
    families={FAMILY: MERGED},
    points={
        "baseline": Point("all labels", network(FAMILY, "baseline"), "baseline", is_given=True),
        "student": Point("two teachers", network(FAMILY)),
    },
    difference=gain(FAMILY),
    choices=(
        Choice(
            "By more than 5 points.", Expectation(high=-5),
            "With all labels {baseline}, with two teachers and no label {student}: {difference}. Usually it comes "
            "within two points; your teachers left more open.",
        ),
        Choice(
            "By 1 to 5 points.", Expectation(-5, -1),
            "With all labels {baseline}, with two teachers and no label {student}: {difference}. Nobody told the "
            "student which of the two knew the digit it saw; their confidence did.",
        ),
        Choice(
            "By less than a point, or it leads.", Expectation(low=-1),
            "With all labels {baseline}, with two teachers and no label {student}: {difference}. Two halves of the "
            "knowledge replace a thousand labels.",
        ),
    ),
    expected=1,
    notice="The student had not one label.",
    change=Change("Look at the plan: who teaches whom, and when?", "distill", MERGED),
    axis=("test accuracy, %", 50, 100),
    seeds=3,
)  # fmt: skip
