# Each target is one line; the work is in scripts/ and in programs.
.PHONY: setup build demo test lint bench lab fuzz docs fmt

setup: ; @scripts/setup --lint --test
build: ; @scripts/build
demo: ; @scripts/demo $(ARGS)
test: ; @scripts/test $(ARGS)
lint: ; @scripts/lint
bench: ; @scripts/bench $(ARGS)
lab: ; @scripts/lab $(TEST)
fuzz: ; @scripts/fuzz
docs: ; @scripts/docs
fmt: ; @cargo fmt --all
