"""Images without masks that a teacher makes useful, and the score that shows it (Liu et al. 2019)."""

from __future__ import annotations

from kd_core.config.claims import Expectation, gain, network
from kd_core.config.lessons import Change, Choice, Lesson, Point

MASKS = "20 masks, 380 images without"

LESSON = Lesson(
    order=14,
    title="A class for every pixel",
    minutes=4,
    idea=(
        "A segmentation network gives every pixel of an image a class. What the right classes are is drawn by hand and "
        "called a mask. Of your 400 images 20 have one; the teacher was trained with all 400.",
        "The student learns what the teacher says of every pixel of all 400 images. The baseline is the same network "
        "with as many updates, from the 20 masks alone.",
    ),
    question=(
        "Pixel accuracy is the fraction of right pixels. IoU is the part that an object and its prediction share, and "
        "its mean weighs every class alike, small objects like the large background. Where are the student’s scores?"
    ),
    families={
        MASKS: {
            "dataset": "scenes", "dataset_count": "400", "teacher_epochs": "10", "scheme": "unlabelled",
            "labelled": "20", "soft_weight": "1", "temperature": "1", "epochs": "3", "batch_size": "10",
            "student_width": "8", "learning_rate": "0.02",
        }
    },
    points={
        "iou": Point("mean IoU, baseline", network(MASKS, "baseline"), role="baseline", is_given=True),
        "iou_with": Point("mean IoU, student", network(MASKS)),
        "pixels": Point(
            "pixel accuracy, baseline", network(MASKS, "baseline", "pixel_accuracy"), role="baseline", is_given=True
        ),
        "pixels_with": Point("pixel accuracy, student", network(MASKS, measure="pixel_accuracy")),
    },
    difference=gain(MASKS),
    choices=(
        Choice(
            "Mean IoU rises by 3 points or more.", Expectation(low=3),
            "Mean IoU went from {iou} to {iou_with}: {difference}. Pixel accuracy went from {pixels} to {pixels_with}. "
            "The teacher says of 380 images what nobody has drawn. Most pixels are background, which both networks "
            "find: the mean over the classes shows the difference, and pixel accuracy hides most of it.",
        ),
        Choice(
            "Mean IoU stays about the same.", Expectation(-3, 3),
            "Mean IoU went from {iou} to {iou_with}: {difference}. Pixel accuracy went from {pixels} to {pixels_with}. "
            "Usually mean IoU rises, since the teacher says of 380 images what nobody has drawn; with your seeds 20 "
            "masks were nearly enough. Two seeds are few.",
        ),
        Choice(
            "Mean IoU falls by 3 points or more.", Expectation(high=-3),
            "Mean IoU went from {iou} to {iou_with}: {difference}. Pixel accuracy went from {pixels} to {pixels_with}. "
            "That is unusual: 380 more images, named by a good teacher, seldom harm. With your two seeds the baseline "
            "was lucky, or the student was not.",
        ),
    ),
    expected=0,
    notice="Compare both pairs of columns: which of the two scores shows what the teacher was good for?",
    change=Change("Pick an image: where is the student right and the baseline wrong?", "segmentation", {}),
    axis=("test score, %", 0, 100),
    seeds=2,
)  # fmt: skip
