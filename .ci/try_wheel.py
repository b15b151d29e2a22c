"""Try the wheel that is installed in the environment of this interpreter."""

import os
import sys
import tempfile
from pathlib import Path

import layerscope

assert Path(layerscope.__file__).is_relative_to(sys.prefix), layerscope.__file__
os.chdir(tempfile.mkdtemp())
os.environ["LAYERSCOPE_CACHE"] = str(Path.cwd())

from layerscope.toymusic.composed_dataset import write_notes

notes = write_notes(Path("notes"), count=60, first_seed=0, seconds=0.3)
# Weights, templates and tables are data of the package: each is used here.
results = layerscope.probe(["toy-muq", "mel"], notes, target="instrument", probes="closed")
results.to_html("report.html")
print(f"layerscope {layerscope.__version__} from the wheel: {results.answer().verdict}")

from layerscope.cli import main

sys.argv[1:] = ["ls", "tasks"]
main()
