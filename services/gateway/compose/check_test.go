package main

import (
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// overlaid composes the documents of all services and albums with an overlay that is patched.
func overlaid(t *testing.T, document, patch string) error {
	t.Helper()
	overlay, err := readDocument(filepath.Join(gatewayFolder, "overlay.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	documents, err := readDocuments(filepath.Join(gatewayFolder, "../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, read := range []struct {
		text string
		into func(*yaml.Node)
	}{{document, func(n *yaml.Node) { documents["albums"] = n }}, {patch, func(n *yaml.Node) { merge(overlay, n) }}} {
		parsed, err := parseDocument("patch", []byte(read.text))
		if err != nil {
			t.Fatal(err)
		}
		read.into(parsed)
	}
	_, _, err = compose(overlay, documents)
	return err
}

// A message about the overlay says the line.
func TestMistakesHaveALine(t *testing.T) {
	t.Parallel()
	overlay, err := parseDocument("overlay.yaml", []byte("openapi: 3.0.3\npaths:\n  /api/v1/x:\n    gett: {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = compose(overlay, nil)
	if err == nil || !strings.Contains(err.Error(), `overlay.yaml:4: /api/v1/x has the unknown key "gett"`) {
		t.Errorf("the error is %v", err)
	}
}

// published returns an overlay that publishes the stickers of albums, with more keys.
func published(more string) string {
	return "paths: { '/api/v1/customers/{customer}/stickers': { x-from: albums, " + more + " } }"
}

// Each mistake in the overlay is refused with a message that says where and what to do.
func TestMistakesInTheOverlayAreNamed(t *testing.T) {
	t.Parallel()
	for patch, want := range map[string]string{
		"x-hiden: { sales: [GET /x] }":                                                    `the overlay has the unknown key "x-hiden": correct or remove it`,
		"component: {}":                                                                   `the overlay has the unknown key "component"`,
		"components: { schema: {} }":                                                      `components has the unknown key "schema"`,
		"paths: { /api/v1/orders: { x-form: sales } }":                                    `/api/v1/orders has the unknown key "x-form"`,
		published("gett: { x-roles: [] }"):                                                `/api/v1/customers/{customer}/stickers has the unknown key "gett"`,
		published("get: { x-role: [] }"):                                                  `GET /api/v1/customers/{customer}/stickers has the unknown key "x-role"`,
		published("get: { x-roles: [], sumery: x }"):                                      `GET /api/v1/customers/{customer}/stickers has the unknown key "sumery"`,
		published("get: { x-roles: [boss] }"):                                             `GET /api/v1/customers/{customer}/stickers is for the role "boss": the roles are customer, warehouse, staff, and [] is for everybody`,
		published("get: { x-roles: [everybody] }"):                                        `is for the role "everybody": the roles are`,
		published("get: { x-roles: [staff, staff] }"):                                     "is for the role staff twice: remove one",
		published("get: { x-roles: staff }"):                                              "GET /api/v1/customers/{customer}/stickers has no list x-roles: list the roles that may call it",
		published("get: { x-roles: { staff: true } }"):                                    "has no list x-roles",
		published("get:"):                                                                 "GET /api/v1/customers/{customer}/stickers is not a mapping: write { x-roles: [staff] } to publish it",
		published("get: [staff]"):                                                         "GET /api/v1/customers/{customer}/stickers is not a mapping",
		published(""):                                                                     "/api/v1/customers/{customer}/stickers has no operation: list those to publish",
		"paths: { /api/v1/x: [] }":                                                        "/api/v1/x is not a mapping: give it the operations to publish",
		"paths: { /api/v1/x: { get: { x-roles: [], operationId: x } } }":                  "GET /api/v1/x has no responses: list them, or name the service that it comes from in x-from",
		"paths: { /api/v1/stickers: { x-from: album, get: { x-roles: [] } } }":            `/api/v1/stickers comes from "album", which has no document: correct x-from; the documents are albums, catalog, `,
		"paths: { /api/v1/stickers: { x-from: [albums], get: { x-roles: [] } } }":         "x-from of /api/v1/stickers is not the name of a service",
		"paths: { /api/v1/stickers: { x-from: albums customers, get: { x-roles: [] } } }": "x-from of /api/v1/stickers is not the name of a service",
		"paths: { '/customers/{customer}/stickers': { x-from: albums, get: { x-roles: [staff] } } }":                                    "/customers/{customer}/stickers comes from albums and does not begin with /api/v1/: write /api/v1/customers/{customer}/stickers",
		"paths: { '/api/v1/customers/{who}/stickers': { x-from: 'albums /customers/{customer}/stickers', get: { x-roles: [staff] } } }": "GET /api/v1/customers/{who}/stickers does not describe the parameter {who} of its path",
		published("get: { x-roles: [staff], operationId: getMe }"):                                                                      "both have the operationId getMe: give one of them another",
		published("get: { x-roles: [staff], operationId: null }"):                                                                       "GET /api/v1/customers/{customer}/stickers has no operationId",
		"x-hidden: { albums: GET /customers }":                                                                                          "x-hidden of albums is not a list of operations",
		"x-hidden: { albums: [GET /stickers] }":                                                                                         `x-hidden lists "GET /stickers" of albums, whose document has no such operation: remove it`,
		"x-hidden: { album: [GET /stickers] }":                                                                                          `x-hidden lists "GET /stickers" of album, whose document has no such operation`,
		"x-hidden: { catalog: [GET /stock, GET /stock] }":                                                                               `x-hidden lists "GET /stock" of catalog twice`,
		"x-hidden: []": "x-hidden is not a mapping",
		"{ " + published("get: { x-roles: [staff] }") + ", x-hidden: { albums: ['GET /customers/{customer}/stickers'] } }": `"GET /customers/{customer}/stickers" of albums is published and in x-hidden: keep one`,
		"x-rename: { album: { Stickers: Sticker } }":  `x-rename names the service "album", which has no document`,
		"x-rename: { albums: { Sticker: Stickers } }": "x-rename renames Sticker of albums, whose document has no such component: remove it",
	} {
		if err := overlaid(t, albums, patch); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n the error is %v\n want         %s", patch, err, want)
		}
	}
}

// Mistakes in the document of a service are named, too, and do not make compose panic.
func TestMistakesInAServicesDocumentAreNamed(t *testing.T) {
	t.Parallel()
	stickers := "paths: { '/customers/{customer}/stickers': { parameters: [{ name: customer, in: path, required: true, schema: { type: string } }], get: { operationId: getStickers, responses: { '200': %s } } } }"
	for response, want := range map[string]string{
		"{ $ref: '#/components/responses/Stickers' }": "services/albums/openapi.yaml: #/components/responses/Stickers refers to nothing: add it below components, or correct the reference",
		"{ $ref: 'other.yaml#/Stickers' }":            "services/albums/openapi.yaml: other.yaml#/Stickers refers to nothing",
		"{ description: Stickers. }":                  "",
	} {
		err := overlaid(t, strings.ReplaceAll(stickers, "%s", response), published("get: { x-roles: [staff] }"))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: the error is %v, want %q", response, err, want)
		}
	}
	noResponses := "paths: { '/customers/{customer}/stickers': { parameters: [{ name: customer, in: path, required: true, schema: { type: string } }], get: { operationId: getStickers } } }"
	if err := overlaid(t, noResponses, published("get: { x-roles: [staff] }")); err == nil || !strings.Contains(err.Error(), "GET /api/v1/customers/{customer}/stickers has no responses") {
		t.Errorf("without responses the error is %v", err)
	}
}

// YAML keeps the last of two equal keys, and compose does not follow aliases. Both are refused.
func TestAmbiguousYAMLIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"paths:\n  /a: {}\n  /b: {}\n  /a: {}\n": "overlay.yaml:4: the key /a is already in line 2: keep one",
		"a: &x {}\nb: *x\n":                      "overlay.yaml:2: *x is an alias: write out what it stands for",
		"a: {get: {x-roles: [], x-roles: []}}":   "the key x-roles is already in line 1: keep one",
		"- a":                                    "read overlay.yaml: it is not a YAML mapping",
		"":                                       "read overlay.yaml: it is not a YAML mapping",
		"a: [":                                   "read overlay.yaml: yaml: line 1",
	} {
		if _, err := parseDocument("overlay.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want %s", text, err, want)
		}
	}
}
