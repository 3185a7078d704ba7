"""Flowers with a pretrained teacher and a shallow student (Paul 2020)."""

from __future__ import annotations

from kd_core.config.presets import Preset, Publication, PublishedNumber, Settings, Variant, network

SOURCE = Publication(
    "Distilling Knowledge in Neural Networks",
    "Sayak Paul",
    2020,
    "report and notebooks “Knowledge Distillation in Keras”",
    "Transfer learning and distillation: a MobileNetV2 pretrained on ImageNet is fine-tuned on flowers and teaches a "
    "network of two convolutions.",
)
SOFT = {"method": "soft_targets", "temperature": "5", "alpha": "0.9", "form": "ce", "squared": "false"}


def variant(name: str, title: str, changes: Settings, value: str) -> Variant:
    """Return a variant with the student's validation accuracy as its number."""
    return Variant(name, title, changes, (PublishedNumber(title, value),))


PRESETS = (
    Preset(
        "flowers",
        "Flowers: MobileNetV2 teaches a shallow CNN",
        "56 to 84 %",
        "The same small network gets 56 to 84 % of the validation images right, depending on the loss and on "
        "augmentation.",
        SOURCE,
        {
            "dataset": "flowers102",
            "dataset_pixels": "112",
            **network("teacher", "zoo", network="mobilenet_v2", pretrained=True, image_size=224),
            **network("student", "cnn", width=28, depth=2, normalisation="none"),
            "teacher_learning_rate": "1e-05",
            "teacher_epochs": "5",
            "teacher_batch_size": "64",
            "learning_rate": "0.01",
            "epochs": "10",
            "batch_size": "64",
            "labelled": "0",
        },
        (),
        (
            "Another data set: theirs is tf_flowers, 3,670 photographs of five kinds, some 3,100 of them for training; "
            "Flowers-102 has 102 kinds and ten photographs of each. Expect far lower numbers here, of the "
            "teacher above all. With the five kinds in a folder of your own, choose it as the data and keep the rest.",
            "In the notebooks that are public, the student’s validation accuracy is that of the last batch alone, 38 "
            "images: one image is 2.6 points.",
            "Theirs has 144,261 parameters in two convolutions (64 and 128 maps) and two linear layers. Nearest here "
            "is a CNN of width 28 and depth 2 without normalisation: 141,810 for 102 kinds, 54,801 for five.",
            "Their images have 224 × 224 pixels. Here the data have 112 × 112, which the student is trained on, and are"
            " "
            "enlarged to 224 × 224 for the teacher.",
            "Their teacher keeps the batch statistics of ImageNet while it is tuned; here they are learned anew.",
            "Weighted means the mean of soft targets and labels by their weights. In the public notebooks these sum to "
            "one, so it is the sum itself; here this variant has the factor T², which theirs applies to the gradient "
            "as a whole, where Adam undoes it.",
            "Augmented: theirs are flips and crops with a margin of 3 pixels of 224, for the student alone. Here the "
            "margin is 3 of 112, and the teacher sees and learns from the same views.",
            "What is compared here is the accuracy on the test split, 6,149 images.",
        ),
        (
            variant("soft", "Soft targets", SOFT, "74 %"),
            variant(
                "weighted",
                "Weighted",
                {"method": "mixed", "label_weight": "0.1", "soft_weight": "0.9", "weight": "0", "temperature": "5"},
                "71 %",
            ),
            variant(
                "logits",
                "Logit regression",
                {"method": "logit_mse", "label_weight": "0", "weight": "1"},
                "56 %",
            ),
            variant("augmented", "Soft targets, augmented", {**SOFT, "flip": "true", "crop": "3"}, "84 %"),
        ),
        is_comparable=False,
    ),
)
