.DEFAULT_GOAL := help
.PHONY: help run build test long race lint generate bench chaos compat ci clean

# The version that the program prints: a tag, if there is one, and the commit.
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null)
COMMIT ?= $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

run: ## run the whole shop in one process
	CGO_ENABLED=0 go run ./cmd/quadrille up

build: ## build bin/quadrille, stripped as for a release
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o bin/quadrille ./cmd/quadrille

test: ## run the tests that can run here, the long ones in their short form
	go test ./...

long: ## run every test in full
	go test -tags long -timeout 30m ./...

race: ## run every test in full, with the race detector
	go test -race -tags long -count=1 -timeout 30m ./...

lint: ## run golangci-lint, as CI does
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...

generate: ## generate servers and clients from the OpenAPI documents
	go generate ./...

bench: ## run the benchmarks, on PostgreSQL and RabbitMQ
	go test -run '^$$' -bench . -benchtime 1x -timeout 30m ./test/bench

chaos: ## run 200 faults, ten takeovers and a cluster, on its own servers (an hour)
	CHAOS_FAULTS=200 TAKEOVER_ROUNDS=10 go test -v -tags long -count=1 -timeout 120m ./test/chaos

compat: ## run suites on Debian 13's RabbitMQ 4.0, PostgreSQL 17 and Redis 8, as root
	test/compat/run

ci: ## run everything that CI runs
	.ci/run

clean: ## delete what was built, and the data of `make run`
	rm -rf bin data
