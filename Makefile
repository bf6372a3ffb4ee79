# Everyday commands, one word each.  Each sets up what it needs in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: demo test lint format bench lab notebooks binder clean

demo: $(VENV)/ready
	$(BIN)/node3nb demo test_jobs

test: $(VENV)/ready
	$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --durations 10 tests
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --nbval --nbval-current-env --nbval-cell-timeout 120 notebooks

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/ready
	$(BIN)/python bench/table.py

lab: $(VENV)/ready
	$(BIN)/pip install --quiet jupyterlab
	$(BIN)/jupyter lab notebooks

# Runs the tutorials and writes their outputs back.
notebooks: $(VENV)/ready
	$(BIN)/python notebooks/regenerate.py

# Does what Binder would, in its 1 GB; needs root.
binder: $(VENV)/ready
	$(BIN)/python binder/rehearse.py

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[test,browser,lint]'
	touch $@

clean:
	rm -rf $(VENV) build dist
