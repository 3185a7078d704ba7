"""Learned features beat random ones under the same linear probe."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A linear probe finds more in features learned from a teacher than in random ones.",
    source="practice of LightlyTrain (2025); linear probes, Alain & Bengio 2017",
    topic="Features and relations",
    families={
        "features, then 50 labels": {
            "dataset": "digits",
            "scheme": "foundation",
            "student": "mlp",
            "labelled": "50",
            "epochs": "20",
            "probe_epochs": "60",
            "method": "hints",
            "layers": "embedding",
        }
    },
    contrast=gain("features, then 50 labels", control="random features"),
    expected=MORE,
    why=(
        "Both probes are one linear layer on 50 labels. Only the layers before it differ: one student has learned a "
        "convolution's features without labels, the other has its initial weights."
    ),
    seeds=5,
    measured=Measured(
        values=(89.64, 60.28),
        estimate=29.36,
        interval=(24.12, 34.43),
        seeds=5,
        seconds=11.2,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
