"""A transformer and a convolution, taught by a convolution on images without labels (Touvron et al. 2021, DeiT)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, gain, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

FEW = {"dataset": "digits", "scheme": "unlabelled", "labelled": "50", "epochs": "12", "temperature": "2"}
CONVOLUTION, TRANSFORMER = "convolution", "transformer"
TAUGHT = {**FEW, "student": "vit", "student_width": "16", "alpha": "0.9"}

LESSON = Lesson(
    order=13,
    title="Convolution or transformer?",
    minutes=4,
    idea=(
        "A convolution looks at pixels that are neighbours, because it is built that way. A vision transformer (ViT) "
        "cuts an image into patches and compares each with all others. Which of them are neighbours it has to learn.",
        "Of 1,000 digits 50 have a label. Alone, a small convolutional network (CNN) and a small ViT learn these 50. "
        "With a teacher, which is a CNN that knows all labels, they learn what it says of all 1,000.",
    ),
    question=(
        "The chart has both students alone, and how far the CNN gets with the teacher. Which of them does the teacher "
        "help more? Draw the ViT with the teacher."
    ),
    families={CONVOLUTION: {**FEW, "student": "cnn", "student_width": "8", "alpha": "0.9"}, TRANSFORMER: TAUGHT},
    points={
        "cnn": Point("CNN alone", network(CONVOLUTION, "baseline"), role="baseline", is_given=True),
        "cnn_with": Point("CNN, with teacher", network(CONVOLUTION), is_given=True),
        "vit": Point("ViT alone", network(TRANSFORMER, "baseline"), role="baseline", is_given=True),
        "vit_with": Point("ViT, with teacher", network(TRANSFORMER)),
    },
    difference=gain(TRANSFORMER) - gain(CONVOLUTION),
    choices=(
        Choice(
            "The ViT, by 5 points or more.", Expectation(low=5),
            "The ViT went from {vit} to {vit_with}, the CNN from {cnn} to {cnn_with}: a difference of {difference} "
            "between the two gains. 50 images do not show a transformer which patches belong together. 1,000 that a "
            "CNN has named do: what the CNN is built with, the ViT learns from it.",
        ),
        Choice(
            "Both about as much.", Expectation(-5, 5),
            "The ViT went from {vit} to {vit_with}, the CNN from {cnn} to {cnn_with}: a difference of {difference} "
            "between the two gains. Usually the ViT gains more, since it has more to learn than the CNN; with your "
            "seeds its 50 labels went further than they do on average.",
        ),
        Choice(
            "The CNN, by 5 points or more.", Expectation(high=-5),
            "The ViT went from {vit} to {vit_with}, the CNN from {cnn} to {cnn_with}: a difference of {difference} "
            "between the two gains. That is unusual: a CNN alone needs fewer images, so a teacher of more of them "
            "helps the ViT more.",
        ),
    ),
    expected=0,
    notice="Which of the two gaps between alone and with a teacher is larger? Which student is better in the end?",
    change=Change("Give the ViT’s baseline 500 labels: how much of the gap is left?", "distill",
                  {**TAUGHT, "labelled": "500"}),
    axis=("test accuracy, %", 20, 100),
    seeds=2,
)  # fmt: skip
