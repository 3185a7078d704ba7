"""A teacher makes texts without labels useful (Turc et al. 2019)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, gain

CLAIM = Claim(
    title="A teacher makes texts without labels useful.",
    source="Turc et al. 2019 (Well-Read Students Learn Better), section 4",
    topic="Labels and data",
    families={
        "200 labelled lines, 8,960 without": {
            "dataset": "python_lines",
            "scheme": "unlabelled",
            "labelled": "200",
            "epochs": "6",
        }
    },
    contrast=gain("200 labelled lines, 8,960 without"),
    expected=MORE,
    seeds=5,
    why=(
        "The student learns the teacher's probabilities for all 9,160 lines, the control for as many updates from the "
        "200 labels. In the source the networks are small transformers; here they count n-grams of characters."
    ),
    measured=Measured(
        values=(53.52, 27.06),
        estimate=26.45,
        interval=(24.44, 28.39),
        seeds=5,
        seconds=8.6,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
