// Package sku validates the SKU codes with which all services identify goods.
package sku

import (
	"regexp"
	"strings"

	"quadrille/pkg/fault"
)

var pattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Normalize returns a SKU code in upper case: 1 to 64 characters of A-Z 0-9 . _ -. It
// returns an Invalid fault for any other text.
func Normalize(code string) (string, error) {
	// Match before upper-casing, which turns some other letters into ASCII, such as ı and ſ.
	if !pattern.MatchString(code) {
		return "", fault.New(fault.Invalid, "sku_invalid", "%.70q is not a SKU code: 1 to 64 of A-Z a-z 0-9 . _ -", code)
	}
	return strings.ToUpper(code), nil
}

// NormalizeAll normalizes each code. It returns the error of the first invalid one.
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
