// Package api is sales' REST contract in Go, generated from openapi.yaml: the
// models, and the interface that the service implements.
package api

//go:generate go tool oapi-codegen -config codegen.yaml ../openapi.yaml
