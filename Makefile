# make run    set everything up and open the window (without a display: write a demo to out/demo)
# make test   set everything up and check everything
# make help   list the other targets

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
HAS_DISPLAY := $(strip $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname -s)))
VIRTUAL_DISPLAY := $(if $(filter Linux,$(shell uname -s)),LIBGL_ALWAYS_SOFTWARE=1 xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24",)

export PYTHON

.PHONY: run test lint bench bench-scribbles bench-unsupervised screenshots clean help system-app system-test
.DELETE_ON_ERROR:

run: $(VENV)/ready-app
ifneq ($(HAS_DISPLAY),)
	$(BIN)/unseg-studio
else
	@echo "There is no display here, so the demo runs without a window."
	$(BIN)/unseg-studio demo --out out/demo
endif

test: lint
	$(VIRTUAL_DISPLAY) $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

bench: $(VENV)/ready-app
	$(BIN)/unseg-studio bench latency

bench-scribbles: $(VENV)/ready-test
	$(if $(DATA),,$(error Say where the image sets lie: make bench-scribbles DATA=folder))
	$(BIN)/unseg-studio bench scribbles --data $(DATA) $(BENCH_ARGS)

bench-unsupervised: $(VENV)/ready-app
	$(if $(DATA),,$(error Say where the image sets lie: make bench-unsupervised DATA=folder))
	$(BIN)/unseg-studio bench unsupervised --data $(DATA) $(BENCH_ARGS)

screenshots: $(VENV)/ready-test
	$(VIRTUAL_DISPLAY) $(BIN)/python -m tests.screenshots

clean:
	rm -rf $(VENV) out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@echo "make run          set up, then open the window (without a display: demo into out/demo)"
	@echo "make test         set up, then ruff, mypy, import-linter and all tests; PYTEST_ARGS='-k coco'"
	@echo "make lint         ruff, mypy and import-linter only"
	@echo "make bench        measure how fast a stroke is answered on this machine"
	@echo "make bench-scribbles DATA=folder"
	@echo "                  play image sets with scribbles, beside other methods; BENCH_ARGS='--quick'"
	@echo "make bench-unsupervised DATA=folder"
	@echo "                  score proposals without labels, beside other methods; BENCH_ARGS='--quick'"
	@echo "make screenshots  take the pictures in assets/screenshots again"
	@echo "make clean        remove what the other targets made"
	@echo "PYTHON=python3.12 uses another Python (3.11 or later)"

# The stamps lie in the environment, so they go when it goes.
$(VENV)/ready-app: pyproject.toml constraints.txt | system-app
	$(call environment,app)
	touch $@

$(VENV)/ready-test: pyproject.toml constraints.txt | system-test
	$(call environment,all$(comma)test)
	touch $@ $(VENV)/ready-app

comma := ,
define environment
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing the Python packages; the first time this takes some minutes."
	$(PIP) install --quiet --progress-bar off -c constraints.txt -e ".[$(1)]"
endef

system-app:
	@.ci/system-packages python $(if $(HAS_DISPLAY),qt)

system-test:
	@.ci/system-packages python qt xvfb
