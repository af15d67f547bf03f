# Each target sets up what it needs, so `make demo` and `make test` work in a fresh clone.
# PYTHON chooses the interpreter (3.11.4 or later), VENV where the environment lives.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/installed.stamp

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench soak coverage precision tables sheets clean
.DELETE_ON_ERROR:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP)  ## run the pocket suite on this machine and print its leaderboard
	@echo "==> running the pocket suite, profile quick; results go to build/demo-results"
	@$(BIN)/freeshot run pocket --profile quick --results build/demo-results

test: lint  ## check style, types and floors, then run the tests
	@echo "==> pytest"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist worksteal --durations=20

lint: $(STAMP)  ## check style, types and floors only
	@echo "==> ruff format --check"
	@$(BIN)/ruff format --check --quiet .
	@echo "==> ruff check"
	@$(BIN)/ruff check --quiet .
	@echo "==> mypy"
	@$(BIN)/mypy
	@echo "==> lint-imports"
	@$(BIN)/lint-imports

docs: $(STAMP)  ## build the documentation site into build/site; warnings are errors
	@echo "==> mkdocs build --strict"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(STAMP)  ## time the engine (tests/performance)
	@$(BIN)/python -m tests.performance --write results/performance.md

soak: $(STAMP)  ## kill, fill and fuzz for an hour; writes results/reliability.md
	@$(BIN)/python -m tests.soak --write results/reliability.md

coverage: $(STAMP)  ## measure the coverage of each kind of interval (an hour or two; resumes)
	@OMP_NUM_THREADS=1 $(BIN)/python -m makers.interval_coverage 'in-domain/*' 'cross-domain/*' --out results/coverage

precision: $(STAMP)  ## measure what bfloat16 changes on the pocket suite (20 minutes)
	@$(BIN)/python -m makers.precision_effect results/pocket build/precision results/precision.md

tables: $(STAMP)  ## regenerate every table that is made from the committed records
	@$(BIN)/freeshot leaderboard --write
	@$(BIN)/python -m makers.readme_table README.md results/pocket
	@$(BIN)/python -m tests.docs.tables
	@$(BIN)/python -m makers.network_card plugins/freeshot_vision/pocket/weights/training.json results/pocket

sheets: $(STAMP)  ## lay out images that LoRA Recycle synthesises from some pocket LoRAs (minutes)
	@$(BIN)/freeshot recycle pocket --preset pocket --sheets --overwrite --out build/meta-lora
	@mkdir -p results/sheets && for n in 000 001 002 003; do cp build/meta-lora/sheets/lora-$$n.png results/sheets/; done

clean:  ## remove the environment, caches and build outputs
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find benchmark plugins baselines tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Again only when pyproject.toml changes: an editable install follows the sources by itself.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4))' \
	    || { echo "FreeShot needs Python 3.11.4 or later; try: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@echo "==> making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@echo "==> installing FreeShot and what it needs; the first time this downloads torch, which takes minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --editable '.[test]'
	@touch $@
	@echo "==> installed"
