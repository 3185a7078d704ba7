"""Tuning the teacher further barely changes the student (Paul 2020)."""

from __future__ import annotations

from kd_core.config.claims import Claim, Measured, network, within

FEW = {"dataset": "digits", "labelled": "50"}

CLAIM = Claim(
    title="A fine-tuned teacher barely changes the student.",
    source="Paul 2020",
    topic="Teachers",
    families={"40 epochs of the teacher": {**FEW, "teacher_epochs": "40"}, "20 epochs": FEW},
    contrast=network("40 epochs of the teacher") - network("20 epochs"),
    expected=within(2),
    why=(
        "The teacher is right on nearly all images after 20 epochs; 20 more change its confidence. In the source a "
        "network pretrained on ImageNet is tuned on flowers as a whole instead of its last layer."
    ),
    measured=Measured(
        values=(86.2, 86.66),
        estimate=-0.46,
        interval=(-1.3, 0.38),
        seeds=10,
        seconds=8.3,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
