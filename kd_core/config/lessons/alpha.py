"""Alpha and the factor T² (Hinton, Vinyals & Dean 2015, section 2)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

FEW = {"dataset": "digits", "labelled": "50", "temperature": "8", "alpha": "0.5"}

LESSON = Lesson(
    order=3,
    title="Alpha, and why T²",
    minutes=4,
    idea=(
        "A student has two sources: labels and soft targets. Its loss is (1 − α) · cross-entropy with the labels + "
        "α · T² · KL divergence from the teacher. Alpha is the teacher’s weight, from 0 (labels alone) to 1.",
        "Why T²? Dividing logits by T makes the gradients of the softened part 1/T² as large. At T = 8 that is a "
        "64th, so without the factor the teacher would speak very softly, whatever α says.",
    ),
    question="With α = 0.5 and T = 8: what remains of the student’s gain if the factor T² is left out?",
    families={"with T²": FEW, "without T²": {**FEW, "squared": "false"}},
    points={
        "baseline": Point("no teacher", network("with T²", "baseline"), "baseline", is_given=True),
        "with_factor": Point("with T²", network("with T²"), is_given=True),
        "without_factor": Point("without T²", network("without T²")),
    },
    difference=network("with T²") - network("without T²"),
    choices=(
        Choice(
            "Most of the gain is lost.", Expectation(low=1.5),
            "With the factor your student reached {with_factor}, without it {without_factor}, the baseline "
            "{baseline}: {amount} lost. The teacher’s gradients were 64 times smaller, so the labels decided.",
        ),
        Choice(
            "It makes little difference.", Expectation(-1.5, 1.5),
            "With the factor your student reached {with_factor}, without it {without_factor}: {difference}. The "
            "optimiser Adam divides gradients by their size, which makes up for a part of a missing factor; what "
            "remains is the ratio between labels and teacher.",
        ),
        Choice(
            "It gets better without T².", Expectation(high=-1.5),
            "With the factor your student reached {with_factor}, without it {without_factor}. With your seeds the "
            "labels deserved more weight than T² left them; seeds differ.",
        ),
    ),
    expected=0,
    notice="Is the student without T² nearer to the baseline or to the one with T²?",
    change=Change(
        "Train with T = 8 and move α while the run trains: the curves show both parts of the loss.", "distill", FEW
    ),
    axis=("test accuracy, %", 60, 100),
)  # fmt: skip
