"""A convolution teaches a transformer on images without labels (Touvron et al. 2021; Xie et al. 2020)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, gain

CLAIM = Claim(
    title="A convolution makes images without labels useful for a transformer.",
    source="Touvron et al. 2021 (DeiT), section 5; Xie et al. 2020, section 2",
    topic="Labels and data",
    families={
        "CNN teaches a ViT": {
            "dataset": "digits",
            "scheme": "unlabelled",
            "student": "vit",
            "student_width": "16",
            "labelled": "50",
            "epochs": "12",
            "temperature": "2",
            "alpha": "0.9",
        }
    },
    contrast=gain("CNN teaches a ViT"),
    expected=MORE,
    why=(
        "A transformer has to learn from data which pixels are neighbours, and a convolution is built on it. In the "
        "source the teacher labels all of ImageNet; here it labels 950 digits beside 50 that have a label."
    ),
    seeds=5,
)
