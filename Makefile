# make demo   three example workflows on the built-in sandbox, no key needed
# make test   lint, types, tests

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test clean

demo: .venv/demo.ready
	@for name in generate inpaint variations; do \
		$(BIN)/lumenfall run example_workflows/api/$$name.json --sandbox --output output || exit 1; \
	done
	@echo "The pictures are in $(CURDIR)/output"

test: .venv/test.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

.venv/demo.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[headless]'
	@touch $@

.venv/test.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv output build dist
