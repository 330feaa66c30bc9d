# Every target is one step a person would take; `make` alone lists them.
BUILD_JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
SERVER_TARGET := $(if $(wildcard src/server/CMakeLists.txt),testmesh layers,all)

.PHONY: help install build run test sanitize fuzz bench truth lint format clean

help: ## list these targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## install with apt what is missing for building, running and testing
	@tools/install.sh

build: ## the server: build/release/testmesh
	@tools/build.sh release $(SERVER_TARGET)

run: install build ## the server and the demo services against it
	@demo/run.sh

test: install ## every check once; the last line counts them
	@tools/test.sh

sanitize: ## the unit tests under ASan + UBSan, then under TSan
	@tools/build.sh asan all
	ctest --preset asan -j $(BUILD_JOBS)
	@tools/build.sh tsan all
	ctest --preset tsan -j $(BUILD_JOBS)

fuzz: ## each fuzzer for FUZZ_SECONDS (60)
	@tools/build.sh fuzz all
	@tools/fuzz.sh build/fuzz/fuzz $(FUZZ_SECONDS)

bench: ## measure the real server: throughput, CPU, memory, bytes, look-ups
	@bench/run.sh

truth: ## a million traces of random systems: is what the server finds what they did?
	@bench/known_truth/run.sh

lint: ## clang-format and clang-tidy; a file already found clean is not read again
	@tools/build.sh release all
	@cmake --preset bench >/dev/null
	@cmake --preset fuzz >/dev/null
	@tools/lint.py --build build/release --build build/bench --build build/fuzz

format: ## let clang-format rewrite the C++ files
	@tools/lint.py --format

clean: ## remove build/
	rm -rf build
