"""With few masks, channels over the pixels teach more than soft targets of every pixel (Shu et al. 2021)."""

from __future__ import annotations

from kd_core.config.claims import MORE, Claim, Measured, network

FEW = {"dataset": "scenes"}

CLAIM = Claim(
    title="With few masks, where the teacher’s channels are active teaches a small segmentation network more than soft "
    "targets of every pixel.",
    source="Shu et al. 2021, section 4.3",
    topic="Images with masks",
    families={
        "channels over the pixels": {**FEW, "method": "channel_wise"},
        "soft targets per pixel": {**FEW, "method": "soft_targets", "temperature": "1", "alpha": "0.5"},
    },
    contrast=network("channels over the pixels") - network("soft targets per pixel"),
    expected=MORE,
    seeds=10,
    why=(
        "Most pixels are background, of which soft targets per pixel say the same again and again; a softmax over the "
        "pixels of a channel weighs every class alike. Both students see the same 20 of 500 images, 400 times five. "
        "Here their scores vary more between seeds than between the losses."
    ),
    measured=Measured(
        values=(70.52, 67.95),
        estimate=2.57,
        interval=(-4.36, 9.49),
        seeds=10,
        seconds=257.9,
        machine="x86_64 with 2 cores, Python 3.11.7, torch 2.14.1, 2026-11-30",
    ),
)
