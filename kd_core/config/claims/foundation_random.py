"""Learned features beat random ones under the same linear probe."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, gain

CLAIM = Claim(
    title="A linear probe finds more in features learned from a teacher than in random ones.",
    source="practice of LightlyTrain (2025); linear probes, Alain & Bengio 2017",
    topic="Features and relations",
    families={
        "features into a ViT": {
            "dataset": "digits",
            "scheme": "foundation",
            "student": "vit",
            "student_width": "16",
            "labelled": "50",
            "epochs": "12",
            "probe_epochs": "60",
            "method": "hints",
            "layers": "embedding",
        }
    },
    contrast=gain("features into a ViT", control="random features"),
    expected=MORE,
    why=(
        "Both probes are one linear layer on 50 labels. Only the layers before it differ: one student has learned a "
        "convolution's features without labels, the other has its initial weights."
    ),
    seeds=5,
)
