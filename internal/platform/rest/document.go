package rest

import (
	"fmt"
	"maps"

	"github.com/getkin/kin-openapi/openapi3"
	"gopkg.in/yaml.v3"
)

// loadDocument parses a service's OpenAPI document and adds the paths, tags and
// components of common, unless that is nil.
func loadDocument(spec, common []byte) (*openapi3.T, error) {
	document, err := parseDocument(spec)
	if err != nil {
		return nil, err
	}
	document.Servers = nil // clients use the address that they fetched the document from
	if common == nil {
		return document, nil
	}
	return document, merge(document, common)
}

func merge(document *openapi3.T, spec []byte) error {
	common, err := parseDocument(spec)
	if err != nil {
		return err
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
	return nil
}

// marshalYAML marshals a document by way of JSON, which keeps the order of its fields.
func marshalYAML(document *openapi3.T) ([]byte, error) {
	asJSON, err := document.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	var tree yaml.Node
	if err := yaml.Unmarshal(asJSON, &tree); err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	resetStyle(&tree)
	text, err := yaml.Marshal(&tree)
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	return text, nil
}

// resetStyle replaces JSON's braces and quotes by YAML's block style.
func resetStyle(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		resetStyle(child)
	}
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
