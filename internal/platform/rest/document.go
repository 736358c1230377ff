package rest

import (
	_ "embed"
	"fmt"
	"maps"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed ops.yaml
var opsYAML []byte

// loadDocument reads a service's OpenAPI document and adds the endpoints that
// every service has.
func loadDocument(spec []byte) (*openapi3.T, error) {
	document, err := parseDocument(spec)
	if err != nil {
		return nil, err
	}
	common, err := parseDocument(opsYAML)
	if err != nil {
		return nil, err
	}
	for _, path := range common.Paths.InMatchingOrder() {
		document.Paths.Set(path, common.Paths.Value(path))
	}
	document.Tags = append(document.Tags, common.Tags...)
	if document.Components.Schemas == nil {
		document.Components.Schemas = openapi3.Schemas{}
	}
	maps.Copy(document.Components.Schemas, common.Components.Schemas)
	if document.Components.Responses == nil {
		document.Components.Responses = openapi3.ResponseBodies{}
	}
	maps.Copy(document.Components.Responses, common.Components.Responses)
	if document.Components.Parameters == nil {
		document.Components.Parameters = openapi3.ParametersMap{}
	}
	maps.Copy(document.Components.Parameters, common.Components.Parameters)
	document.Servers = nil // it is served from where it describes
	return document, nil
}

func parseDocument(spec []byte) (*openapi3.T, error) {
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(spec)
	if err != nil {
		return nil, fmt.Errorf("read OpenAPI document: %w", err)
	}
	if err := document.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("check OpenAPI document: %w", err)
	}
	if document.Components == nil {
		document.Components = &openapi3.Components{}
	}
	return document, nil
}
