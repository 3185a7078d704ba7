"""Relations between examples as knowledge (Park et al. 2019, section 3)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, gain, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

RKD = {
    "dataset": "digits", "labelled": "50", "epochs": "60", "student": "cnn", "student_width": "8",
    "method": "relational",
}  # fmt: skip

LESSON = Lesson(
    order=9,
    title="Looking inside",
    minutes=4,
    idea=(
        "A teacher’s outputs are not all it knows. Before its last layer it describes every image by a list of "
        "numbers, its embedding: images that it finds alike lie near each other.",
        "Relational distillation shows the student no output at all. It must place its images so that their "
        "distances and angles are those of the teacher; its labels are the same 50 as before.",
    ),
    question="Is such a student better than its baseline?",
    families={"RKD": RKD},
    points={
        "teacher": Point("teacher", network("RKD", "teacher"), "teacher", is_given=True),
        "baseline": Point("no teacher", network("RKD", "baseline"), "baseline", is_given=True),
        "student": Point("distances", network("RKD")),
    },
    difference=gain("RKD"),
    choices=(
        Choice(
            "Yes, by a point or more.", Expectation(low=1),
            "The baseline reached {baseline}, your student {student}: {difference}. It never saw an output of the "
            "teacher. The 1,225 distances between 50 images are knowledge, too.",
        ),
        Choice(
            "No clear difference.", Expectation(-1, 1),
            "The baseline reached {baseline}, your student {student}: {difference}, within a point. On average such "
            "students lead by 3 to 4 points here; three seeds can miss it.",
        ),
        Choice(
            "No, it is worse.", Expectation(high=-1),
            "The baseline reached {baseline}, your student {student}: {difference}. On average such students lead by "
            "3 to 4 points here; with three seeds the opposite can happen.",
        ),
    ),
    expected=0,
    notice="Does the student come nearer to the teacher, and how far is it still?",
    change=Change("See where both networks place the images.", "inspect", {}),
    axis=("test accuracy, %", 50, 100),
    seeds=3,
)  # fmt: skip
