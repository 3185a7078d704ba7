"""How long 60,000 images of 28 × 28 take: ``python -m benchmarks.glyphs``. Three times, on two threads, the median.

The aim is less than 10 s on two cores. 56,000 are training images, the others validation and test.
"""

from __future__ import annotations

import statistics
import time

import torch

from kd_core.datasets.glyphs import MAX_HELD_OUT, Glyphs

IMAGES = 60_000


def main() -> None:
    """Prints wall-clock and processor seconds of every time, and the medians."""
    torch.set_num_threads(2)
    dataset = Glyphs(count=IMAGES - 2 * MAX_HELD_OUT)
    Glyphs(count=100).load()  # what is imported and cached once is not counted
    walls, works = [], []
    for number in range(3):
        wall, work = time.perf_counter(), time.process_time()
        data = dataset.load()
        walls.append(time.perf_counter() - wall)
        works.append(time.process_time() - work)
        assert len(data.train) + len(data.validation) + len(data.test) == IMAGES
        print(f"{number + 1}: {walls[-1]:5.2f} s, {works[-1]:5.2f} s of processor time", flush=True)
    print(f"median of 3: {statistics.median(walls):.2f} s for {IMAGES:,} images, "
          f"{statistics.median(works):.2f} s of processor time")  # fmt: skip


if __name__ == "__main__":
    main()
