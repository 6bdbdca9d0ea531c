.DEFAULT_GOAL := help
.PHONY: demo test test-quick lint format audit bench chaos bench-overload lock help
SHELL := /bin/bash
# Services bring their own environment: the one that called us is not theirs.
unexport VIRTUAL_ENV
export PATH := $(CURDIR)/.venv/bin:$(PATH)
JOBS ?= 2

demo: .venv/ready  ## Render a service, start it, place an order, read its log, probes and metrics (30 seconds)
	@python scripts/demo.py

test: .venv/ready  ## Run all tests: questions, renders, services for real, updates
	pytest -n $(JOBS) --dist worksteal --reruns 1 $(PYTEST)

test-quick: .venv/ready  ## Run the tests that take less than 3 minutes together
	pytest -n $(JOBS) --dist worksteal -m "not slow" $(PYTEST)

lint: .venv/ready  ## Check the template's own Python
	ruff check .
	ruff format --check .

format: .venv/ready  ## Format the template's own Python
	ruff check --fix .
	ruff format .

audit: .venv/ready  ## Look for known vulnerabilities in the locked packages of every render of the pairwise array (needs osv.dev)
	@python scripts/audit.py $(AUDIT)

bench: .venv/ready  ## Measure what the wiring costs (needs wrk; bench/ says how)
	python bench/run.py $(BENCH)

chaos: .venv/ready  ## Overload, kills, outages and deadlines against rendered services (chaos/ says how)
	@PYTHONPATH=tests:bench python -m chaos $(CHAOS)

bench-overload: .venv/ready  ## Measure overload with and without load shedding, and draw docs/overload.svg
	@PYTHONPATH=tests:bench python -m chaos.bench $(BENCH)

lock: .venv/ready  ## Write dev.lock anew from pyproject.toml
	uv pip compile --quiet --group dev --universal --generate-hashes --no-header --upgrade -o dev.lock

.venv/ready: dev.lock scripts/bootstrap.sh
	@scripts/bootstrap.sh

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16
