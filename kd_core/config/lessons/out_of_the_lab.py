"""Pruning, distillation from the unpruned network, and int8 (Muralidharan et al. 2024, in miniature)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, network
from kd_core.config.lessons import Change, Choice, Compression, Lesson, Point

FAMILY = "all labels"
DIGITS = {"dataset": "digits", "labelled": "0", "epochs": "40"}

LESSON = Lesson(
    order=12,
    title="Out of the lab",
    minutes=5,
    idea=(
        "A distilled student can become smaller still. Pruning removes the hidden units with the smallest weights, "
        "here three of four. Quantisation then stores each weight in eight bits instead of 32.",
        "Pruning hurts. So the pruned network is trained once more, and its teacher is the student that it was cut "
        "out of. At last it is exported to a file in int8, which any device with onnxruntime can run.",
    ),
    question="What is left of the student’s accuracy after each step? Draw it.",
    families={FAMILY: DIGITS},
    points={
        "student": Point("student", network(FAMILY), is_given=True),
        "pruned": Point("pruned", network(FAMILY, "pruned")),
        "again": Point("taught again", network(FAMILY, "distilled again")),
        "int8": Point("int8", network(FAMILY, "int8")),
    },
    difference=network(FAMILY, "int8") - network(FAMILY),
    choices=(
        Choice(
            "At the end it is more than 10 points worse.", Expectation(high=-10),
            "{student} became {pruned} by pruning, {again} after the second training and {int8} in int8: {difference} "
            "in all. Usually it ends within two points; with your seeds, what pruning removed was not learned again.",
        ),
        Choice(
            "At the end it is 2 to 10 points worse.", Expectation(-10, -2),
            "{student} became {pruned} by pruning, {again} after the second training and {int8} in int8: {difference} "
            "in all. Usually it ends within two points; with your seeds the second training recovered less.",
        ),
        Choice(
            "At the end it is less than 2 points worse.", Expectation(low=-2),
            "{student} became {pruned} by pruning, {again} after the second training and {int8} in int8: {difference} "
            "in all. Pruning hurts, a second training under the unpruned student repairs it, and eight bits cost next "
            "to nothing.",
        ),
    ),
    expected=2,
    notice="Which step costs most, and which one gives it back?",
    change=Change("Move the pruning slider yourself, and read sizes and latencies.", "compress", {}),
    axis=("test accuracy, %", 0, 100),
    compression=Compression(0.75),
    seeds=3,
)  # fmt: skip
