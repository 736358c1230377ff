package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// gatewayFolder is the folder of overlay.yaml and openapi.yaml.
const gatewayFolder = ".."

// The committed document is the composed one.
func TestDocumentIsComposed(t *testing.T) {
	t.Parallel()
	want, _, err := composeFolder(gatewayFolder)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(gatewayFolder, "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("services/gateway/openapi.yaml is out of date: run go generate ./services/gateway, and commit the result")
	}
}

// Somebody has decided of each operation of a service whether it is public.
func TestEveryOperationIsDecided(t *testing.T) {
	t.Parallel()
	_, undecided, err := composeFolder(gatewayFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range undecided {
		t.Error(message)
	}
}

// albums is the document of a service that the overlay does not know.
const albums = `
tags: [{ name: stickers, description: Stickers of customers. }]
paths:
  /customers/{customer}/stickers:
    parameters: [{ name: customer, in: path, required: true, schema: { type: string, maxLength: 64 } }]
    get:
      tags: [stickers]
      summary: Show the stickers of a customer
      description: One point for each confirmed order.
      operationId: getStickers
      responses:
        "200": { description: The stickers., content: { application/json: { schema: { $ref: "#/components/schemas/Stickers" } } } }
        default: { description: A problem. }
components:
  schemas:
    Stickers: { type: object, properties: { price: { $ref: "#/components/schemas/Money" } } }
    Money: { type: string }
`

// withAlbums composes the documents of all services and albums's, with more below the
// overlay's paths.
func withAlbums(t *testing.T, paths string) (public *yaml.Node, undecided []string, err error) {
	t.Helper()
	overlay, err := readDocument(filepath.Join(gatewayFolder, "overlay.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	documents, err := readDocuments(filepath.Join(gatewayFolder, "../.."))
	if err != nil {
		t.Fatal(err)
	}
	more, err := parseDocument("albums", []byte(albums))
	if err != nil {
		t.Fatal(err)
	}
	documents["albums"] = more
	patch, err := parseDocument("patch", []byte("paths: "+paths))
	if err != nil {
		t.Fatal(err)
	}
	merge(overlay, patch)
	return compose(overlay, documents)
}

// An operation that the overlay does not mention is not public, and a message names it.
func TestOperationIsHiddenUnlessPublished(t *testing.T) {
	t.Parallel()
	public, undecided, err := withAlbums(t, "{}")
	if err != nil {
		t.Fatal(err)
	}
	for path := range entries(get(public, "paths")) {
		if strings.Contains(path, "stickers") {
			t.Errorf("%s is public", path)
		}
	}
	want := "GET /customers/{customer}/stickers of albums is not public: services/gateway/overlay.yaml does not mention it."
	if len(undecided) != 1 || !strings.HasPrefix(undecided[0], want) {
		t.Errorf("the messages are %q, want one that begins with %q", undecided, want)
	}
}

// Two lines of the overlay publish an operation of a new service.
func TestOperationIsPublished(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/customers/{customer}/stickers"
	public, undecided, err := withAlbums(t, "{ '"+path+"': { x-from: albums, get: { x-roles: [customer] } } }")
	if err != nil || len(undecided) > 0 {
		t.Fatal(err, undecided)
	}
	op := get(public, "paths", path, "get")
	if got, want := text(op, "description"), "For the role customer. One point for each confirmed order."; got != want {
		t.Errorf("the description is %q, want %q", got, want)
	}
	for _, status := range []string{"200", "401", "403", "404", "422", "429", "503", "default"} {
		if get(op, "responses", status) == nil {
			t.Errorf("there is no response %s", status)
		}
	}
	if get(public, "components", "schemas", "Stickers") == nil {
		t.Error("the schema Stickers is missing")
	}
	if got := tagDescriptions(public)["stickers"]; got != "Stickers of customers." {
		t.Errorf("the tag stickers is described as %q", got)
	}
	if names := get(public, "components", "schemas", "ServiceName", "enum"); len(names.Content) < 2 || names.Content[0].Value != "gateway" || names.Content[1].Value != "albums" {
		t.Errorf("ServiceName does not begin with gateway, albums: %+v", names.Content)
	}
	price := text(public, "components", "schemas", "Stickers", "properties", "price", "$ref")
	if got := text(public, "components", "schemas", "Money", "type"); price != "#/components/schemas/AlbumsMoney" || got != "object" {
		t.Errorf("a different Money is %s, and the other is of type %s", price, got)
	}
}

// tagDescriptions returns the descriptions of a document's tags by name.
func tagDescriptions(public *yaml.Node) map[string]string {
	found := map[string]string{}
	for _, tag := range get(public, "tags").Content {
		found[text(tag, "name")] = text(tag, "description")
	}
	return found
}

// Every tag of a public operation is described. The document of albums is not among them.
func TestEveryTagIsDescribed(t *testing.T) {
	t.Parallel()
	public, _, err := withAlbums(t, "{}")
	if err != nil {
		t.Fatal(err)
	}
	described := tagDescriptions(public)
	for _, name := range tagsOf(get(public, "paths")) {
		if described[name] == "" {
			t.Errorf("the tag %s has no description: add one below tags in the openapi.yaml of its service", name)
		}
	}
	if described["stickers"] != "" {
		t.Error("the tag of a hidden operation is listed")
	}
}

// A wrong overlay is refused, with a message that says what to do.
func TestWrongOverlayIsRefused(t *testing.T) {
	t.Parallel()
	for paths, want := range map[string]string{
		"{ /api/v1/stickers: { x-from: albums, get: { x-roles: [] } } }":                                             "has no path /stickers: correct x-from",
		"{ '/api/v1/customers/{customer}/stickers': { x-from: albums, put: { x-roles: [] } } }":                      "has no such operation: remove it",
		"{ /api/v1/x: { get: { x-roles: [], operationId: x, responses: { '200': { $ref: '#/components/x/Y' } } } }}": "#/components/x/Y refers to nothing",
	} {
		if _, _, err := withAlbums(t, paths); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", paths, err, want)
		}
	}
}
