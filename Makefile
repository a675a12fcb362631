# make run    set everything up and open the window (without a display: write a demo to out/demo)
# make test   set everything up and check everything
# make test-napari    check the napari plugin with other versions and another Qt binding, too
# make test-consumers read the files of every format with the programs that they are for
# make help   list the other targets

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
VENVS := .venvs
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
HAS_DISPLAY := $(strip $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin,$(shell uname -s)))
VIRTUAL_DISPLAY := $(if $(filter Linux,$(shell uname -s)),LIBGL_ALWAYS_SOFTWARE=1 xvfb-run --auto-servernum --server-args="-screen 0 1600x1000x24",)
WINDOWS := tests/app tests/widgets
PLUGIN := tests/napari_unseg
PROJECTS := tests/document tests/project tests/bench $(wildcard tests/test_*.py)
METHODS := tests/segmenters tests/parity
CONSUMERS := tests/consumers

export PYTHON
# Modules are compiled once, when they are first imported.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-core test-methods test-projects test-windows test-plugin kill-test test-napari test-napari-newest test-napari-oldest test-consumers lint bench bench-scribbles bench-unsupervised bench-napari bench-queue bench-gpu fuzz screenshots clean help system-app system-test
.DELETE_ON_ERROR:

run: $(VENV)/ready-app
ifneq ($(HAS_DISPLAY),)
	$(BIN)/unseg-studio
else
	@echo "There is no display here, so the demo runs without a window."
	$(BIN)/unseg-studio demo --out out/demo
endif

# Two processes at a time for two cores, in an order in which both end together; what draws windows
# has a display of its own.
TESTS := test-projects test-plugin test-windows test-methods test-core
test: $(VENV)/ready-test
	$(MAKE) --no-print-directory -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync) lint $(TESTS)

# One thread each: on images this small, threads only wait for each other. Of the plugins of pytest
# only these are loaded: it would rewrite and compile all modules of packages that have one, napari's
# among them.
$(TESTS): export OMP_NUM_THREADS := 1
$(TESTS): export OPENBLAS_NUM_THREADS := 1
$(TESTS): export PYTEST_DISABLE_PLUGIN_AUTOLOAD := 1
LOADED := pytest-qt hypothesispytest npe2 xdist pytest_cov

# What PYTEST_ARGS choose may all lie with the others; 5: there is nothing to do.
define tests
	$(1) $(BIN)/python -m pytest $(LOADED:%=-p %) $(2) $(PYTEST_ARGS) $(if $(PYTEST_ARGS),|| [ $$? -eq 5 ])
endef

test-core: $(VENV)/ready-test
	$(call tests,,$(patsubst %,--ignore=%,$(WINDOWS) $(PLUGIN) $(PROJECTS) $(METHODS)))

test-methods: $(VENV)/ready-test
	$(call tests,,$(METHODS))

test-projects: $(VENV)/ready-test
	$(call tests,,$(PROJECTS))

test-windows: $(VENV)/ready-test
	$(call tests,$(VIRTUAL_DISPLAY),$(WINDOWS))

test-plugin: $(VENV)/ready-test
	$(call tests,$(VIRTUAL_DISPLAY),$(PLUGIN))

# With PyQt6; make test has the newest napari with PySide6.
test-napari: test-napari-newest test-napari-oldest

test-napari-newest: $(VENVS)/newest/ready
	$(call napari_tests,$(VENVS)/newest)

# The old one on new libraries is warned of what they will drop.
test-napari-oldest: $(VENVS)/oldest/ready
	$(call napari_tests,$(VENVS)/oldest,-W ignore::DeprecationWarning)

# Not a part of make test: these programs want other versions. Their own warnings are not ours.
test-consumers: $(VENVS)/consumers/ready
	QT_QPA_PLATFORM=offscreen $(VENVS)/consumers/bin/python -m pytest -W ignore $(CONSUMERS) $(PYTEST_ARGS)

kill-test: $(VENV)/ready-app
	$(BIN)/python -m unseg_studio.project.kill_test --kills 200 $(KILL_ARGS)

lint: $(VENV)/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

# The seed is printed; UNSEG_FUZZ_SEED=... repeats it.
fuzz: $(VENV)/ready-test
	UNSEG_FUZZ_EXAMPLES=$${UNSEG_FUZZ_EXAMPLES:-10000} $(BIN)/python -m pytest $(PYTEST_ARGS) \
		$(wildcard tests/formats/test_fuzz_labels.py tests/formats/test_fuzz_strokes.py tests/data/test_fuzz_images.py tests/project/test_fuzz_project.py)

bench: $(VENV)/ready-app
	$(BIN)/unseg-studio bench latency

bench-scribbles: $(VENV)/ready-test
	$(if $(DATA),,$(error Say where the image sets lie: make bench-scribbles DATA=folder))
	$(BIN)/unseg-studio bench scribbles --data $(DATA) $(BENCH_ARGS)

bench-unsupervised: $(VENV)/ready-app
	$(if $(DATA),,$(error Say where the image sets lie: make bench-unsupervised DATA=folder))
	$(BIN)/unseg-studio bench unsupervised --data $(DATA) $(BENCH_ARGS)

bench-napari: $(VENV)/ready-test
	$(VIRTUAL_DISPLAY) $(BIN)/python -m napari_unseg.bench $(BENCH_ARGS)

bench-queue: $(VENV)/ready-test
	$(VIRTUAL_DISPLAY) $(BIN)/python -m unseg_studio.app.queue_bench $(BENCH_ARGS)

bench-gpu: $(VENV)/ready-app
	$(BIN)/unseg-studio bench gpu $(if $(OFFICIAL),--official $(OFFICIAL)) $(BENCH_ARGS)

screenshots: $(VENV)/ready-test
	$(VIRTUAL_DISPLAY) $(BIN)/python -m tests.screenshots
	$(VIRTUAL_DISPLAY) $(BIN)/python -m tests.napari_screenshots

clean:
	rm -rf $(VENV) $(VENVS) out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:
	@echo "make run          set up, then open the window (without a display: demo into out/demo)"
	@echo "make test         set up, then ruff, mypy, import-linter and all tests; PYTEST_ARGS='-k coco'"
	@echo "make test-napari  the tests of the napari plugin with PyQt6, on the newest and on the oldest"
	@echo "                  napari that is supported, each in an environment of its own"
	@echo "make test-consumers"
	@echo "                  read what is written with the programs that it is for: datumaro (CVAT),"
	@echo "                  Ultralytics, supervision, labelme, FiftyOne, ome-zarr and others"
	@echo "make kill-test    kill a program at work 200 times, and look at what is left of its project"
	@echo "make lint         ruff, mypy and import-linter only"
	@echo "make fuzz         10,000 damaged files for each reader of labels, images and projects (hours)"
	@echo "make bench        measure how fast a stroke is answered on this machine"
	@echo "make bench-scribbles DATA=folder"
	@echo "                  play image sets with scribbles, beside other methods; BENCH_ARGS='--quick'"
	@echo "make bench-unsupervised DATA=folder"
	@echo "                  score proposals without labels, beside other methods; BENCH_ARGS='--quick'"
	@echo "make bench-napari measure in a napari window: strokes, sliders, opening, memory"
	@echo "make bench-queue  measure in a window: opening projects, going from image to image, long lists"
	@echo "make bench-gpu    measure the engine, beside DiffCluster's published code with OFFICIAL=folder"
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

$(VENVS)/newest/ready: $(VENV)/ready-test
	$(call own_environment,constraints.txt,$(NAPARI))
	touch $@

$(VENVS)/oldest/ready: $(VENVS)/oldest.txt $(VENV)/ready-test
	$(call own_environment,$<,$(NAPARI))
	touch $@

$(VENVS)/consumers/ready: $(VENVS)/consumers.txt $(VENV)/ready-test
	$(call own_environment,$<,".[test-consumers]")
	touch $@

# Constraints that are named twice hold as they are named first.
$(VENVS)/%.txt: constraints-%.txt constraints.txt
	@mkdir -p $(@D)
	awk -F== '!named[$$1]++' $^ > $@

comma := ,
# Most modules are never imported, and compiling all of them takes over a minute.
INSTALL := install --no-compile --quiet --progress-bar off
NAPARI := ".[napari,test-napari]" PyQt6
define environment
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing the Python packages; the first time this takes some minutes."
	$(PIP) $(INSTALL) -c constraints.txt -e ".[$(1)]"
endef

# Nothing is shared but torch, whose files are linked, since they may take gigabytes.
define own_environment
	$(PYTHON) -m venv --clear $(@D)
	@cd $(VENV)/lib/python3*/site-packages && for part in torch* functorch* nvidia* triton*; do \
		[ ! -e "$$part" ] || cp -Rl "$$part" $(CURDIR)/$(@D)/lib/python3*/site-packages/; done
	@echo "Installing the Python packages; the first time this takes some minutes."
	$(@D)/bin/python -m pip --disable-pip-version-check --no-input $(INSTALL) \
		-c $(1) -e $(2)
endef

define napari_tests
	QT_API=pyqt6 $(VIRTUAL_DISPLAY) $(1)/bin/python -m pytest -o qt_api=pyqt6 $(2) \
		tests/napari_unseg tests/widgets $(PYTEST_ARGS)
endef

system-app:
	@.ci/system-packages python $(if $(HAS_DISPLAY),qt)

system-test:
	@.ci/system-packages python qt xvfb
