# Every target does its own set-up in .venv; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
QUICK := experiments/synthpose/quickstart.yaml
RUN := output/coco/pose_hrnet/quickstart

.PHONY: help setup fmt lint test test-all quickstart

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(STAMP) ## install the package and the developer tools into .venv

$(STAMP): setup.py requirements.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet -e ".[dev,fast,export]"
	touch $@

fmt: $(STAMP) ## format and sort imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP) ## formatting, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

test: $(STAMP) ## the tests that need no GPU and no network
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test-all: $(STAMP) ## the slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not gpu"

quickstart: $(STAMP) ## draw a data set, train a small model, score it, look at it
	$(BIN)/python tools/make_synthetic.py --out data/synthpose_easy --level easy --train 1000 --val 120 --people 1 2
	$(BIN)/python tools/train.py --cfg $(QUICK)
	$(BIN)/python tools/test.py --cfg $(QUICK) --untrained
	$(BIN)/python tools/test.py --cfg $(QUICK)
	$(BIN)/python visualization/plot_coco.py --prediction $(RUN)/results/keypoints_val2017_results_0.json \
		--gt-anno data/synthpose_easy/coco/annotations/person_keypoints_val2017.json \
		--image-path data/synthpose_easy/coco/images/val2017/ --save-path $(RUN)/pictures/ --limit 20
	$(BIN)/python visualization/report.py --run $(RUN)
	@echo "Pictures: $(RUN)/pictures/"
	@echo "Report:   $(RUN)/report.html"
