# make demo   three example workflows on the built-in sandbox, no key needed
# make test   lint, types, tests

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test postgresql clean

demo: .venv/demo.ready
	@for name in generate inpaint variations; do \
		$(BIN)/lumenfall run example_workflows/api/$$name.json --sandbox --output output || exit 1; \
	done
	@echo "The pictures are in $(CURDIR)/output"

test: .venv/test.ready postgresql
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

# The tests start a server of their own; where there is none, and it cannot be installed, they say that they skip it.
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
		command -v apt-get >/dev/null || exit 0; \
		sudo="sudo -n"; [ "$$(id -u)" != 0 ] || sudo=; \
		$$sudo true 2>/dev/null || exit 0; \
		echo "Installing PostgreSQL for the tests"; \
		$$sudo apt-get -qq update >/dev/null 2>&1; \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install postgresql >/dev/null 2>&1; \
	} || true

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
