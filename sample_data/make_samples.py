"""Make the sample slides of this folder again: python sample_data/make_samples.py."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_scfm.slides.synthetic.samples import make_sample

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for sample in ("cosmx", "merscope"):
        sys.stdout.write(f"{make_sample(sample, target)}\n")
