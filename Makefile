# Two commands set everything up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all lint clean

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
	rm -rf $(VENV) .venv-nnunet demo build
