"""Boxes as distributions, taught by a teacher that is unsure of them (Zheng et al. 2022, Localization Distillation)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

SMALL = {"dataset": "shapes", "dataset_count": "800", "teacher_epochs": "14", "epochs": "6", "control": "false"}
CLASSES, BOXES = "classes alone", "classes and boxes"

LESSON = Lesson(
    order=15,
    title="A box is a guess, too",
    minutes=4,
    idea=(
        "A detector finds objects and draws a box around each. Yours does not say where a side of the box is, but how "
        "likely it is at each of 17 places. A softmax makes these probabilities, so they have a temperature.",
        "The student sees 800 scenes, of which 50 have labels. In all of them it can learn the teacher’s classes, or "
        "the teacher’s classes and the probabilities of the sides of its boxes.",
    ),
    question=(
        "AP50 counts a box as right if it overlaps the true one by half, AP50-95 asks for more and more exact boxes. "
        "What happens to both if the sides are taught, too? Draw it."
    ),
    families={
        CLASSES: {**SMALL, "method": "soft_targets", "temperature": "1", "alpha": "0.9"},
        BOXES: SMALL,
    },
    points={
        "found": Point("AP50, classes alone", network(CLASSES, measure="ap50"), is_given=True),
        "found_with": Point("AP50, with boxes", network(BOXES, measure="ap50")),
        "exact": Point("AP50-95, classes alone", network(CLASSES, measure="ap50_95"), is_given=True),
        "exact_with": Point("AP50-95, with boxes", network(BOXES, measure="ap50_95")),
    },
    difference=network(BOXES, measure="ap50_95") - network(CLASSES, measure="ap50_95"),
    choices=(
        Choice(
            "The boxes become more exact.", Expectation(low=2),
            "AP50-95 went from {exact} to {exact_with}: {difference}. AP50, for which rough boxes are enough, went "
            "from {found} to {found_with}. The classes say that there is an object; where its sides are only the "
            "teacher’s distributions say, since 750 scenes have no true boxes.",
        ),
        Choice(
            "About as exact as before.", Expectation(-2, 2),
            "AP50-95 went from {exact} to {exact_with}: {difference}. Usually it rises, since 750 scenes have no true "
            "boxes; with your seed the 50 with labels were enough.",
        ),
        Choice(
            "Less exact, since there is more to learn.", Expectation(high=-2),
            "AP50-95 went from {exact} to {exact_with}: {difference}. That is unusual: the student is large enough for "
            "both, and the sides help it to find the objects.",
        ),
    ),
    expected=0,
    notice="Compare both pairs of columns: which of the two scores asks where the sides are?",
    change=Change("Pick a box and move T: how sure is each network of its four sides?", "detection", {}),
    axis=("average precision, %", 0, 100),
    seeds=1,  # each run takes seconds, and the difference is several times that between seeds
)  # fmt: skip
