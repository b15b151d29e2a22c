# `make demo` and `make test` set everything up on a fresh machine, then run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: setup demo test test-slow check docs wheel lowest lock clean pictures task-pages weights demo-results real-weights

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps mirdata torchcrepe
	$(BIN)/layerscope check --model chroma >/dev/null  # librosa compiles itself at first use, for half a minute
	touch $@

demo: setup
	$(BIN)/layerscope demo --out runs/demo

test: setup
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m "not slow"

# Simulations, kills, fuzzing, studies of minutes.
test-slow: setup
	$(BIN)/pytest -n $(JOBS) --dist worksteal -m slow

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

# The site, in build/site; a warning is an error.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/site

# What is published, tried in an environment that holds nothing of this directory: the wheel comes from the source archive.
wheel: setup
	rm -rf dist build/empty
	$(BIN)/python -m build --no-isolation >/dev/null
	$(BIN)/python -m venv build/empty
	build/empty/bin/pip install --quiet --disable-pip-version-check --no-deps dist/*.whl
	# What it depends on is not installed again: it lies behind the environment's own packages.
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > \
	  "$$(echo build/empty/lib/python3*/site-packages)/dependencies.pth"
	build/empty/bin/python .ci/try_wheel.py

# The wheel beside the least versions that it asks for.
lowest: wheel
	rm -rf build/lowest
	$(PYTHON) -m venv build/lowest
	$(BIN)/python .ci/lowest_versions.py > build/lowest.txt
	build/lowest/bin/pip install --quiet --disable-pip-version-check -c build/lowest.txt dist/*.whl
	build/lowest/bin/python .ci/try_wheel.py

lock: setup
	$(BIN)/pip freeze --exclude-editable --exclude layerscope | sed "s/+cpu//" > constraints.txt

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache

# The encoders that come with the package, from nothing: hours on two cores, and every step can be killed.
weights: setup
	$(BIN)/layerscope pretrain --recipe benchmarks/recipes/toy-muq.json --out runs/toy-muq
	$(BIN)/layerscope pretrain --recipe benchmarks/recipes/toy-musicfm.json --out runs/toy-musicfm
	$(BIN)/python -m benchmarks.weights runs/toy-muq runs/toy-musicfm

# What they are worth; the cards repeat it.
demo-results: setup
	$(BIN)/python -m benchmarks.demo_results runs/demo-results

# CREPE and the small encoders on real sound, and the pictures of docs/crepe.md; where each was killed it goes on.
real-weights: setup
	$(BIN)/python -m benchmarks.real_weights --data ../shared/data --out runs/real-weights
	for figure in instrument-layers-closed pitch-layers-closed pitch-layers-knn; do \
	  cp runs/real-weights/notes/figures/notes-$$figure.png docs/pictures/crepe-$$figure.png; done
	cp runs/real-weights/songs/figures/songs-chords-layers-closed.png docs/pictures/crepe-chords-layers-closed.png

# A page for each task, from the task itself.
task-pages: setup
	$(BIN)/python -m layerscope.tasks.task_pages docs/tasks

# The pictures of the README and the documents; the page is as Chromium (Debian's package) shows it.
pictures: demo
	$(BIN)/python docs/pictures/footguns.py
	$(BIN)/python docs/pictures/report.py runs/demo
	chromium --headless --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars \
	  --user-data-dir=$$(mktemp -d) --window-size=1280,1180 --screenshot=docs/images/demo.png \
	  file://$(CURDIR)/runs/demo/report.html
