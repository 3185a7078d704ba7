"""Hinton et al. 2015 on MNIST, with a held-out digit."""

from __future__ import annotations

from kd_core.config.presets import Preset, Publication, PublishedNumber, network

SOURCE = Publication(
    "Distilling the Knowledge in a Neural Network",
    "Hinton, Vinyals & Dean",
    2015,
    "section 3",
    "Two fully connected networks and MNIST: the experiments that soft targets were introduced with. Numbers are "
    "errors on the 10,000 test digits, so fewer is better.",
)
COMMON = {
    "dataset": "mnist",
    **network("teacher", "mlp", widths=(1200, 1200)),
    **network("student", "mlp", widths=(800, 800)),
    "method": "soft_targets",
    "temperature": "20",
    "alpha": "0.9",
    "labelled": "0",
    "batch_size": "128",
    "teacher_batch_size": "128",
    "learning_rate": "0.001",
    "teacher_learning_rate": "0.001",
    "epochs": "40",
    "teacher_epochs": "40",
}
NOTES = (
    "The large network is not regularised: theirs had dropout, limits on the weights and jittered images. So expect "
    "more than 67 errors of it, and with it of its student.",
    "The paper names no optimiser, no number of epochs and no weight of the soft targets, only that it should be "
    "considerably larger than that of the labels. Here: Adam at 0.001, 40 epochs in batches of 128, α 0.9.",
    "5,000 of the 60,000 training digits are held out for validation.",
)
PRESETS = (
    Preset(
        "mnist_soft_targets",
        "MNIST: 1200-1200 teaches 800-800",
        "146 → 74 errors",
        "A small network without any regularisation makes half the errors once it also matches a larger one at T = 20.",
        SOURCE,
        COMMON,
        (
            PublishedNumber("Large network", "67 errors", "teacher", "errors"),
            PublishedNumber("Small network alone", "146 errors", "baseline", "errors"),
            PublishedNumber("Small network, soft targets at T = 20", "74 errors", "student", "errors"),
        ),
        NOTES,
    ),
    Preset(
        "mnist_missing_digit",
        "MNIST without the digit 3",
        "206 → 109 errors",
        "A student without training examples of a 3 recognises nearly all of them once the bias of that class is "
        "corrected.",
        SOURCE,
        {**COMMON, "scheme": "missing_class", "omitted": "3"},
        (
            PublishedNumber("Student that never saw a 3", "206 errors", "student", "errors"),
            PublishedNumber("The same, threes it recognises", "86.8 %", "student", "omitted"),
            PublishedNumber("Bias of class 3 raised by 3.5", "109 errors", "corrected student", "errors"),
            PublishedNumber("The same, threes it recognises", "98.6 %", "corrected student", "omitted"),
        ),
        (
            *NOTES,
            "Of the 1,010 test threes, 133 are among the 206 errors and 14 among the 109.",
            "Their bias was chosen for the best result on the test digits. Here it is raised until the class is "
            "predicted as often as it occurs among the validation digits.",
        ),
    ),
)
