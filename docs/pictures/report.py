"""Draw the pictures of docs/reading-the-report.md: `python docs/pictures/report.py runs/demo`, after `make demo`.

Scores are the demo's. The comparison of layers is made here, on pieces of the development seeds.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from layerscope.report import write_report
from layerscope.scores.score_table import Results
from layerscope.study.compare import compare
from layerscope.study.demo import ENCODERS
from layerscope.study.options import Comparison
from layerscope.toymusic import write_pieces
from layerscope.toymusic.composed_dataset import DEVELOPMENT

HERE = Path(__file__).parent
PIECES = 60


def main() -> None:
    """Compare, draw, and keep what the document shows."""
    run = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        table = write_pieces(Path(place), PIECES, DEVELOPMENT)
        found = compare(Comparison(model=list(ENCODERS[:2]), data=table), Path(place) / "comparison")
    write_report(Results.read(run), run / "report-with-comparison.html", found)
    for name, figure in {
        "tasks": "map", "pieces-style-layers-closed": "curve", "similarity-cka_debiased": "similarity",
        "sound-cka_debiased": "sound", "label-free": "label-free",
    }.items():  # fmt: skip
        shutil.copy(run / "figures" / f"{name}.png", HERE / f"report-{figure}.png")


if __name__ == "__main__":
    main()
