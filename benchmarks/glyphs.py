"""Time to render 60,000 images of 28 × 28 (``python -m benchmarks.glyphs``).

Median of three times on two threads; the aim is less than 10 s on two cores.
"""

from __future__ import annotations

import statistics
import time

import torch

from kd_core.datasets.glyphs import MAX_HELD_OUT, Glyphs

IMAGES = 60_000


def main() -> None:
    """Print wall-clock and processor seconds of each time, and the medians."""
    torch.set_num_threads(2)
    dataset = Glyphs(count=IMAGES - 2 * MAX_HELD_OUT)
    Glyphs(count=100).load()  # what is imported and cached once is not counted
    wall_seconds, processor_seconds = [], []
    for number in range(3):
        wall_start, processor_start = time.perf_counter(), time.process_time()
        data = dataset.load()
        wall_seconds.append(time.perf_counter() - wall_start)
        processor_seconds.append(time.process_time() - processor_start)
        assert len(data.train) + len(data.validation) + len(data.test) == IMAGES
        print(f"{number + 1}: {wall_seconds[-1]:5.2f} s, {processor_seconds[-1]:5.2f} s of processor time", flush=True)
    print(f"median of 3: {statistics.median(wall_seconds):.2f} s for {IMAGES:,} images, "
          f"{statistics.median(processor_seconds):.2f} s of processor time")  # fmt: skip


if __name__ == "__main__":
    main()
