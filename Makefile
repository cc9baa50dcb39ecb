# Every target does its own set-up in .venv; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
QUICK := experiments/synthpose/quickstart.yaml
RUN := output/coco/pose_hrnet/quickstart
EXTRAS := dev,docs,notebooks,fast,export,openvino,hub
# The tests that need no GPU and no network; PYTEST takes more words, as PYTEST='-m "not gpu"'.
PYTEST ?=
# What test-newest and test-oldest install goes here (5 GB); deleted when their tests have passed.
TRIAL ?= .trial
# The oldest Python that setup.py promises, or the nearest to it that is here.
OLDEST ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.10.*/bin/python) \
	$(shell command -v python3.10 || command -v python3.11) $(PYTHON))

export NO_MKDOCS_2_WARNING := 1

.PHONY: docs help setup fmt lint test test-all test-newest test-oldest constraints quickstart

# $(1): a Python; $(2): words for pip.
define trial
	rm -rf $(TRIAL)
	$(1) -m venv $(TRIAL)
	$(TRIAL)/bin/python -m pip install --quiet --upgrade pip
	$(TRIAL)/bin/python -m pip install --quiet $(2) -r requirements.txt
	$(TRIAL)/bin/python -m pip install --quiet $(2) -e ".[$(EXTRAS)]"
	$(TRIAL)/bin/python -m pip list
	OMP_NUM_THREADS=1 $(TRIAL)/bin/python -m pytest -n 2 $(PYTEST)
	rm -rf $(TRIAL)
endef

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(STAMP) ## install the package and the developer tools into .venv

$(STAMP): setup.py requirements.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -r requirements.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[$(EXTRAS)]"
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
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 $(PYTEST)

test-all: $(STAMP) ## the slow ones too
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not gpu"

test-newest: ## the tests under the newest of everything, in an environment of their own
	$(call trial,$(PYTHON),)

test-oldest: ## the tests under the lower bounds of requirements.txt and setup.py
	grep -ohE '[A-Za-z0-9_-]+>=[0-9.]+' requirements.txt setup.py | sed 's/>=/==/' > $(TRIAL).txt
	$(call trial,$(OLDEST),-c $(TRIAL).txt)
	rm $(TRIAL).txt

# Torch and torchvision follow the platform. Older Pythons may have other packages than this one.
constraints: test ## write constraints.txt: the exact set with which the tests passed just now
	$(BIN)/python tests/scripts/write_constraints.py constraints.txt

docs: $(STAMP) ## write the pages to site/; they are served by `python -m http.server -d site`
	$(BIN)/python -m mkdocs build --quiet
	@echo "Pages: site/index.html; with search: $(BIN)/python -m http.server -d site, then http://localhost:8000"

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
