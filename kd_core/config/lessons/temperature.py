"""Temperature (Hinton, Vinyals & Dean 2015, section 2)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

FEW = {"dataset": "digits", "labelled": "50"}
TEMPERATURES = ("1", "2", "4", "8", "16")
FAMILIES = {f"T {temperature}": {**FEW, "temperature": temperature} for temperature in TEMPERATURES}

LESSON = Lesson(
    order=2,
    title="Temperature",
    minutes=5,
    idea=(
        "A network gives every class a raw number, its logit; softmax turns the logits into probabilities. A trained "
        "teacher is so sure that all probabilities but one are nearly zero, and a student sees almost nothing of "
        "them.",
        "The temperature T divides the logits before softmax, for teacher and student alike. At T = 1 nothing "
        "changes. The higher T, the more equal the probabilities: the small ones become visible, and at last all "
        "classes look the same.",
    ),
    question="How does the student’s accuracy change from T = 1 to T = 16? Draw it.",
    families=FAMILIES,
    points={
        "baseline": Point("no teacher", network("T 1", "baseline"), "baseline", is_given=True),
        **{f"t{name.split()[1]}": Point(f"T = {name.split()[1]}", network(name)) for name in FAMILIES},
    },
    difference=network("T 8") - network("T 1"),
    choices=(
        Choice(
            "A higher T teaches more.", Expectation(low=1),
            "Your student reached {t1} at T = 1, {t4} at T = 4 and {t8} at T = 8, {difference} from the first to the "
            "last. At T = 1 the soft targets are hardly more than labels. At a higher T the student also learns "
            "which wrong classes the teacher finds likely.",
        ),
        Choice(
            "T makes no difference.", Expectation(-1, 1),
            "Your student reached {t1} at T = 1 and {t8} at T = 8, {difference}. Usually a high temperature gains "
            "several points here; with your seeds the teacher’s small probabilities added little.",
        ),
        Choice(
            "A higher T teaches less.", Expectation(high=-1),
            "Your student reached {t1} at T = 1 and {t8} at T = 8, {difference}. That is unusual on these data; it "
            "happens where a student is too small to imitate the whole distribution.",
        ),
    ),
    expected=0,
    notice="Look at the step from T = 1, level with the baseline, to T = 4.",
    change=Change(
        "Move the temperature yourself and see the probabilities of one image change.", "temperature", {},
    ),
    axis=("test accuracy, %", 60, 100),
    seeds=3,
)  # fmt: skip
