"""What a teacher knows that labels do not (Hinton, Vinyals & Dean 2015, section 1)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

FEW = {"dataset": "digits", "labelled": "50"}

LESSON = Lesson(
    order=1,
    title="What a teacher knows that labels do not",
    minutes=4,
    idea=(
        "Knowledge distillation trains a small network, the student, with the outputs of a large one, the teacher. "
        "A label says: this is a 3. The teacher says more, mostly a 3, a little like an 8, hardly like a 1.",
        "Here a teacher has learned digits from 1,000 labelled images. A student gets only 50 of them. Once it "
        "learns the teacher’s top class alone, which for these images is the label. Once it learns the teacher’s "
        "probabilities of all ten classes, its soft targets. The baseline is the same student without a teacher.",
    ),
    question="Which student classifies more new images correctly, and where will both land?",
    families={"soft targets": FEW, "top class": {**FEW, "method": "hard_labels"}},
    points={
        "teacher": Point("teacher", network("soft targets", "teacher"), "teacher", is_given=True),
        "baseline": Point("no teacher", network("soft targets", "baseline"), "baseline", is_given=True),
        "top": Point("top class only", network("top class")),
        "soft": Point("all probabilities", network("soft targets")),
    },
    difference=network("soft targets") - network("top class"),
    choices=(
        Choice(
            "All probabilities teach more.", Expectation(low=1),
            "With the top class alone your student reached {top}, with all probabilities {soft}: {difference}. The "
            "extra knowledge is in the small numbers: they say which digits resemble each other, and 50 images say "
            "that 50 times each. This is called dark knowledge.",
        ),
        Choice(
            "Both teach the same.", Expectation(-1, 1),
            "Your students reached {top} and {soft}, a difference of {difference}. Usually the probabilities lead by "
            "about five points. With other images the 50 labels happened to say enough: seeds differ.",
        ),
        Choice(
            "The top class alone teaches more.", Expectation(high=-1),
            "Your students reached {top} with the top class and {soft} with all probabilities, {difference}. That is "
            "rare: usually the probabilities lead by about five points. Repeat it with other seeds.",
        ),
    ),
    expected=0,
    notice="Compare the two students with the grey baseline: the top class adds nothing to a label.",
    change=Change(
        "Give both of them more labels: what is left of the difference with 500?", "distill",
        {"dataset": "digits", "labelled": "500"},
    ),
    axis=("test accuracy, %", 60, 100),
)  # fmt: skip
