# Needs Python 3.11 or newer and nothing else: the first target that is run makes .venv and installs
# the pinned requirements into it.

PYTHON ?= python3
ARGS ?=
JOBS ?= 3
VENV := .venv
READY := $(VENV)/.ready
REQUIREMENTS := deploy/requirements
PEERS := tests/benchmarks/peers
PEER_VENVS := .venv-peers
PEER_JAR := $(PEERS)/kafka_streams/target/kafka-streams-peer.jar
COMPILE = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	$(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help setup demo test losses mutants check lint format types layers tidy schemas docs bench peers \
	lock clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything in it (all other targets do this first)

demo: $(READY) ## a shop's day on real Kafka and Valkey, with crashes and a verdict; ARGS="--seed 7"
	@$(VENV)/bin/reservation-worker demo $(ARGS)

test: $(READY) ## run all tests, three files at a time; ARGS="tests/domain -x" for some
	@# In the order of the folders: else the files of few tests, which take longest, would end it alone.
	@$(VENV)/bin/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

losses: $(READY) ## lose Redis in every way, on real servers, and print what each cost
	@$(VENV)/bin/python -m pytest -m loss tests/integration $(ARGS)

mutants: $(READY) ## plant bugs in copies of the tree; each must turn a test red. ARGS="--list", names, --report
	@$(VENV)/bin/python -m tests.mutants $(ARGS)

check: lint types layers test ## everything that must hold before a change is merged

lint: $(READY) ## ruff: all rules, and the formatting
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check

format: $(READY) ## let ruff format the code and mend what it can
	@$(VENV)/bin/ruff check --fix-only --quiet
	@$(VENV)/bin/ruff format

types: $(READY) ## mypy, strict
	@$(VENV)/bin/mypy

layers: $(READY) ## import-linter: who may import whom
	@$(VENV)/bin/lint-imports

tidy: $(READY) ## the rules of the house that no linter knows
	@$(VENV)/bin/python -m pytest tests/tidy $(ARGS)

schemas: $(READY) ## write schemas/ anew from the models
	@$(VENV)/bin/reservation-worker schemas export

docs: $(READY) ## write docs/settings.md and docs/metrics.md anew from the code
	@$(VENV)/bin/reservation-worker config docs --page settings --output docs/settings.md
	@$(VENV)/bin/reservation-worker config docs --page metrics --output docs/metrics.md

bench: $(READY) ## measure it on real servers, into docs/benchmark; ARGS="backlog --runs 5"
	@$(VENV)/bin/reservation-worker bench --report docs/benchmark $(ARGS)

peers: $(READY) $(PEER_VENVS)/faststream_handler/.ready $(PEER_VENVS)/quix_streams/.ready $(PEER_JAR) ## measure the worker beside other frameworks (docs/peers.md; needs Maven)
	@$(VENV)/bin/python -m $(subst /,.,$(PEERS)) $(ARGS)

lock: $(READY) ## pin the requirements anew after a change of pyproject.toml; UPGRADE=1 for newer ones
	@$(VENV)/bin/python -m pip install --quiet --require-hashes -r $(REQUIREMENTS)/lock.txt
	$(COMPILE) pyproject.toml --output-file $(REQUIREMENTS)/run.txt
	$(COMPILE) pyproject.toml --extra embedded --output-file $(REQUIREMENTS)/embedded.txt
	$(COMPILE) pyproject.toml --extra bench --group dev --output-file $(REQUIREMENTS)/dev.txt
	$(COMPILE) --group build --output-file $(REQUIREMENTS)/build.txt
	$(COMPILE) --group lock --output-file $(REQUIREMENTS)/lock.txt
	$(COMPILE) $(PEERS)/faststream_handler/requirements.in --constraint $(REQUIREMENTS)/run.txt \
		--output-file $(PEERS)/faststream_handler/requirements.txt
	$(COMPILE) $(PEERS)/quix_streams/requirements.in \
		--output-file $(PEERS)/quix_streams/requirements.txt

clean: ## remove what can be made again, .venv included
	rm -rf $(VENV) $(PEER_VENVS) $(dir $(PEER_JAR)) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find reservation_worker tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): $(REQUIREMENTS)/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not:" \
			"$$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 2; }
	@test -x $(VENV)/bin/python || { echo "Making $(VENV) ..." >&2; $(PYTHON) -m venv $(VENV); } \
		|| { rm -rf $(VENV); exit 2; }
	@echo "Installing the pinned requirements ..." >&2
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r $(REQUIREMENTS)/dev.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $@

$(PEER_VENVS)/%/.ready: $(PEERS)/%/requirements.txt
	@echo "Installing the pinned requirements of the peer $* ..." >&2
	@rm -rf $(@D) && $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(PEER_JAR): $(PEERS)/kafka_streams/pom.xml $(wildcard $(PEERS)/kafka_streams/src/main/java/peers/*.java)
	@mvn --quiet --batch-mode --file $< package
	@touch $@
