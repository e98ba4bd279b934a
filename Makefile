# The verbs of the house. Each sets up .venv by itself when it must; CI calls the same ones.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest
# Another pyproject.toml is another environment.
STAMP := $(VENV)/.ready-$(shell cksum < pyproject.toml | cut -d ' ' -f 1)
LAYERS := $(wildcard $(addprefix tests/,unit property contract golden crash statistics))
QUICK := -m "not cluster and not slow"
GENERATED := crds charts/rampguard/templates/crd.yaml

# Where the lab keeps kubectl, helm, etcd ...: used before those of the machine.
export RAMPGUARD_BINARIES ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rampguard/bin
export PATH := $(RAMPGUARD_BINARIES):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup fmt lint test crash integration e2e slow lab lab-down images demo gen golden \
	bench bars mutants clean

help: ## Show the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make .venv with all that the other verbs need

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 setup" >&2; exit 1; }
	@echo "setting up $(VENV) (once, a minute or two)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(PY) -m pip install --quiet --disable-pip-version-check --group dev --group app --group bench -e .
	@rm -f $(VENV)/.ready-*
	@touch $@

fmt: $(STAMP) ## Format, and repair what ruff can repair by itself
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .

lint: $(STAMP) ## Check style, types, imports, and that the generated files are fresh
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	@before=$$(find $(GENERATED) -type f -exec cksum {} + 2>/dev/null); \
	$(MAKE) --no-print-directory gen && \
	test "$$before" = "$$(find $(GENERATED) -type f -exec cksum {} +)" || \
	  { echo "generated files were stale and are renewed: commit them" >&2; exit 1; }

test: $(STAMP) ## Run all layers that need no cluster
	$(PYTEST) -n 2 --dist loadfile $(QUICK) $(LAYERS)

crash: $(STAMP) ## Kill the operator after every API call, against the fake
	$(PYTEST) $(QUICK) tests/crash

integration: lab ## Run the tests that need a real API server, on the lab
	$(PYTEST) -m "not slow" tests/integration

e2e: lab ## Run the tests with real pods and a real Prometheus, on the lab
	$(PYTEST) -n 3 -m "not slow and not disruptive" tests/e2e
	$(PYTEST) -m "disruptive and not slow" tests/e2e

slow: lab ## Run what takes longer than CI allows, on the lab
	$(PYTEST) -m slow tests

lab: $(STAMP) ## Bring the lab up: a cluster, Prometheus, the example, the operator
	$(PY) -m lab up

lab-down: $(STAMP) ## Delete the lab's cluster; what was built stays cached
	$(PY) -m lab down

images: $(STAMP) ## Build the images and load them into the lab
	$(PY) -m lab images

demo: $(STAMP) ## Watch three ramps on the lab: a smoke test, a success, and a harm undone
	$(PY) -m lab.demo

gen: $(STAMP) ## Generate the CRD, for crds/ and for the chart, from the models
	$(PY) -m rampguard.api.crd
	$(PY) -m rampguard.api.crd --chart

golden: $(STAMP) ## Rewrite the golden files: read the diff before you commit it
	$(PYTEST) -n 2 --dist loadfile $(QUICK) --update-golden $(wildcard tests/unit tests/golden)

bench: $(STAMP) ## Measure; prints figures, judges nothing
	@set -e; for bench in benchmarks/bench_*.py; do echo "== $$bench"; $(PY) $$bench; done

bars: $(STAMP) ## Simulate the guardrails (what is not measured yet: an hour or two), write docs/
	$(PY) -m benchmarks.guardrails run --full
	$(PY) -m benchmarks.guardrails docs

mutants: $(STAMP) ## Let mutants of core/ meet its tests, but what is settled (ASK="--module plan" for one)
	PYTHONPATH=tests $(PY) -m mutants.run $(ASK)

clean: ## Remove all that the verbs made here; the lab and its cache stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
	  .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
