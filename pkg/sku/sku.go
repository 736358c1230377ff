// Package sku is the form of the codes by which all services name goods.
package sku

import (
	"regexp"
	"strings"

	"quadrille/pkg/fault"
)

var pattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Normalize upper-cases a SKU code and checks its form: 1 to 64 of A-Z 0-9 . _ -.
func Normalize(code string) (string, error) {
	// Before upper-casing: that makes ASCII of some other letters, such as ı and ſ.
	if !pattern.MatchString(code) {
		return "", fault.New(fault.Invalid, "sku_invalid", "%.70q is no SKU code, which is 1 to 64 of A-Z a-z 0-9 . _ -", code)
	}
	return strings.ToUpper(code), nil
}

// NormalizeAll normalizes each code.
func NormalizeAll(codes []string) ([]string, error) {
	all := make([]string, len(codes))
	for i, code := range codes {
		upper, err := Normalize(code)
		if err != nil {
			return nil, err
		}
		all[i] = upper
	}
	return all, nil
}
