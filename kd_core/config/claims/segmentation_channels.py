"""With few masks and updates, channels over the pixels teach more than soft targets do (Shu et al. 2021)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

FEW = {"dataset": "scenes", "student_width": "8", "epochs": "25", "learning_rate": "0.03", "control": "false"}

CLAIM = Claim(
    title="With few masks and updates, where the teacher’s channels are active teaches a small segmentation network "
    "more than soft targets of every pixel.",
    source="Shu et al. 2021, section 4.3",
    topic="Images with masks",
    families={
        "channels over the pixels": {**FEW, "method": "channel_wise", "tau": "2"},
        "soft targets per pixel": {**FEW, "method": "soft_targets", "temperature": "1", "alpha": "0.5"},
    },
    contrast=network("channels over the pixels") - network("soft targets per pixel"),
    expected=MORE,
    seeds=20,
    why=(
        "Most pixels are background, of which soft targets per pixel say the same again and again; a softmax over the "
        "pixels of a channel weighs every class alike. Both students see the same 20 of 500 images, 100 times five. "
        "With more than twice as many updates they end alike, near the teacher: here channels teach faster, and not "
        "further."
    ),
    measured=Measured(
        values=(71.2, 64.12),
        estimate=7.09,
        interval=(1.84, 12.33),
        seeds=20,
        seconds=121.4,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
