# One image for every service: the command says which one runs.

# Go compiles for other platforms by itself, so the build always runs on the
# builder's own, without emulation.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
# A layer of their own: the modules are fetched again only when they change.
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH
# What the program says of itself. The build context has no history to ask.
ARG VERSION COMMIT
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -ldflags="-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /quadrille ./cmd/quadrille

# CA certificates, time zones and nothing to run: no shell, no package manager.
FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /quadrille /quadrille
# By number, so that an orchestrator can tell that it is not root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/quadrille"]
