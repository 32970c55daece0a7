# make demo         three example workflows on the built-in sandbox, no key needed
# make playground   the nodes in ComfyUI's browser frontend on the sandbox, without ComfyUI and without a key
# make test         lint, types, tests; those of the browser extension in Node, and in Chromium, each on one of three canvases
#                   and frontends
# make bench        what the nodes cost beside the server's time, in one table, and a plot: for a quiet machine
# make test-all     the same, each of those tests on all three; then the Python part once more on every one of PYTHONS,
#                   such as PYTHONS="python3.10 python3.13"

PYTHON ?= python3
BIN := .venv/bin
PYTHONS ?=
# One worker more than there are cores: tests wait for disks, processes and browsers a third of the time.
WORKERS := $(shell $(PYTHON) -c "import os; print(min(4, (os.cpu_count() or 1) + 1))")
PYTEST := pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo playground test test-all bench lint scripts postgresql chromium clean

demo: .venv/demo.ready
	@for name in "Generate a Picture" "Inpaint a Masked Part" "Variations of a Picture"; do \
		$(BIN)/lumenfall run "example_workflows/api/$$name.json" --sandbox --output output || exit 1; \
	done
	@echo "The pictures are in $(CURDIR)/output"

playground: .venv/playground.ready
	$(BIN)/lumenfall playground --sandbox

test: lint scripts
	$(BIN)/$(PYTEST)

test-all: lint scripts $(PYTHONS:%=.venv/%)
	$(BIN)/$(PYTEST) --every-canvas
	set -e; for python in $(PYTHONS); do .venv/$$python/bin/$(PYTEST) --ignore tests/e2e; done

bench: .venv/test.ready chromium
	$(BIN)/python -m benchmarks

lint: .venv/test.ready .venv/oldest-frontend postgresql chromium
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The browser extension's types, against ComfyUI's, and its unit tests.
scripts: tests/web/node_modules
	@command -v npm >/dev/null || echo "Without Node the scripts of the browser extension are neither type-checked nor unit-tested."
	@! command -v npm >/dev/null || { cd tests/web && npm run --silent types && npm test --silent; }

tests/web/node_modules: tests/web/package-lock.json
	@command -v npm >/dev/null || { $(call install,nodejs npm); } || true
	@! command -v npm >/dev/null || { npm ci --prefix tests/web --silent --no-audit --no-fund && touch $@; }

# Installs a Debian package where that is possible. Where it is not, the tests say that they skip what needs it.
define install
	command -v apt-get >/dev/null || exit 0; \
	sudo="sudo -n"; [ "$$(id -u)" != 0 ] || sudo=; \
	$$sudo true 2>/dev/null || exit 0; \
	echo "Installing $(1) for the tests"; \
	$$sudo apt-get -qq update >/dev/null 2>&1; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $(1) >/dev/null 2>&1
endef

postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { $(call install,postgresql); } || true

chromium: .venv/test.ready
	@command -v chromium >/dev/null || { $(call install,chromium); } || true
	@command -v chromium >/dev/null || $(BIN)/playwright install chromium >/dev/null 2>&1 || true

.venv/demo.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[headless]'
	@touch $@

.venv/playground.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[playground]'
	@touch $@

.venv/test.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

.venv/python%: .venv/test.ready
	python$* -m venv $@
	$@/bin/pip install -q -c constraints.txt -e '.[dev]' || { rm -r $@; exit 1; }

# That of ComfyUI 0.3.64. pip installs only one version of a package, so it gets a folder of its own.
.venv/oldest-frontend: .venv/test.ready
	$(BIN)/pip install -q --no-deps --upgrade --target $@ comfyui-frontend-package==1.27.10
	@touch $@

clean:
	rm -rf .venv tests/web/node_modules output build dist
