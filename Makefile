# Everything runs in $(VENV), made anew when pyproject.toml or PYTHON changes.
# Overridable: PYTHON (interpreter), JOBS (processes that test; 0: the debugger works),
# PYTEST_ARGS, SPHINXOPTS.

# A pyenv shim may have no interpreter behind it, and Debian splits off venv:
# so candidates are tried, not only looked up. Usage: $(call find_python,(3,11),names)
find_python = $(shell for p in $(2); do $$p -c 'import sys, ensurepip, venv; \
	sys.exit(sys.version_info[:2] < $(1))' 2>/dev/null && echo $$p && break; done)
PYENV_PYTHON = $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$(1)/bin/python

PYTHON ?= $(call find_python,(3,11),python3 python3.13 python3.12 python3.11 \
	$(call PYENV_PYTHON,3.1[1-9]*))
LATEST ?= $(call find_python,(3,13),python3.13 $(call PYENV_PYTHON,3.13*))
PYTHON := $(PYTHON)

VENV ?= .venv
JOBS ?= 2
BIN = $(VENV)/bin
INSTALLED = $(VENV)/installed-with-$(subst /,-,$(PYTHON))
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

export MPLBACKEND ?= Agg

.PHONY: help demo test test-all test-latest lint docs bench weights clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

demo: $(INSTALLED)  ## tables against kinetic receptors; figures in results/
	$(BIN)/python examples/demo.py

test: $(INSTALLED)  ## default suite: all but the tests marked long
	$(BIN)/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

test-all: $(INSTALLED)  ## default suite and the long tests
	$(BIN)/python -m pytest -n $(JOBS) -m "" $(PYTEST_ARGS)

test-latest:  ## default suite on Python 3.13 with the newest Brian2, if there is one
ifeq ($(LATEST),)
	@echo "test-latest: skipped, found no Python 3.13 with venv on PATH or in pyenv"
else
	$(MAKE) test PYTHON=$(LATEST) VENV=.venv-latest
endif

lint: $(VENV)/extra-dev  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(VENV)/extra-docs  ## html pages in build/docs
	$(BIN)/python -m sphinx -W --keep-going -q $(SPHINXOPTS) docs build/docs

bench: $(VENV)/extra-benchmark  ## every script in benchmarks/
	set -e; for script in benchmarks/[!_]*.py; do $(BIN)/python $$script; done

# Two at a time, one thread each: the sums, and so the weights, do not depend on cores
WEIGHTS = anf_hsr anf_msr anf_lsr ihc_verhulst2018
WEIGHTS_ENV = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
	XLA_FLAGS=--xla_cpu_multi_thread_eigen=false

weights: $(VENV)/extra-gradients  ## train the surrogates of the package anew
	printf '%s\n' $(WEIGHTS) | xargs -P $(JOBS) -n 1 env $(WEIGHTS_ENV) \
		$(BIN)/python -m brian2_multiscale.surrogates.weights.recipes

clean:  ## remove all that the other targets make
	rm -rf .venv .venv-latest build dist output results
	rm -rf docs/gallery docs/sg_execution_times.rst
	rm -rf .cache .pytest_cache .hypothesis .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
ifeq ($(PYTHON),)
	@echo "Needs Python >= 3.11 with venv (Debian: apt install python3-venv);" \
		"name one: make PYTHON=/path/to/python" >&2; exit 1
endif
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --editable '.[test]'
	touch $@

$(VENV)/extra-%: $(INSTALLED)
	$(PIP) --editable '.[$*]'
	touch $@
