# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all lint docs viewer bench clean

# PHANTOM_0020 is one of the five exams that the training holds out.
demo: $(VENV)/installed
	$(BIN)/hcnet phantom demo/cohort --n 24 --seed 0 --size small
	$(BIN)/hcnet train demo/cohort -o demo/run --preset demo
	$(BIN)/hcnet segment demo/cohort/images/PHANTOM_0020/phantom_0020_0000.nii.gz \
	    -o demo/segmentation --bundle demo/run/bundle
	@echo
	@echo "Report of the training run:     $(CURDIR)/demo/run/report.html"
	@echo "Report of one segmentation:     $(CURDIR)/demo/segmentation/report.html"

# A process for each core: the tests' networks are too small to keep two threads busy.
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile

test-all: $(VENV)/installed
	$(BIN)/python -m pytest

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Speed and memory beside what a user would otherwise run; ROWS, and anything else that
# bench/speed/run.py takes, in BENCH. About an hour and a half on two slow cores.
bench: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python bench/speed/run.py $(BENCH)

# The site, in site/; a broken link ends the build. The variable silences a notice of the theme.
docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

# The page of `hcnet serve`, bundled into the package; needs node 20 and npm.
VIEWER := src/hcnet/server/static/viewer.js
viewer: $(VIEWER)
$(VIEWER): $(wildcard web/src/*) web/build.mjs web/tsconfig.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent check && npm run --silent build

# The stamp is newer than what it was made from, so a changed pin installs anew.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# nnU-Net lives apart: it brings a torchvision that need not fit our torch (docs/nnunet.md).
.venv-nnunet/installed: constraints-nnunet.txt
	$(PYTHON) -m venv .venv-nnunet
	.venv-nnunet/bin/pip install --quiet --constraint constraints-nnunet.txt torch
	.venv-nnunet/bin/pip install --quiet --constraint constraints-nnunet.txt nnunetv2
	touch $@

clean:
	rm -rf $(VENV) .venv-nnunet demo build site web/node_modules src/hcnet/server/static
