package gateway

import (
	"strings"
	"testing"

	"quadrille/internal/platform/app"
)

func TestRefusesInvalidOrigins(t *testing.T) {
	for origin, good := range map[string]bool{
		"https://shop.example": true, "http://localhost:3000": true, "https://*.shop.example": true, "*": true, "http://[::1]:3000": true, " https://shop.example ": true,
		"shop.example": false, "https://shop.example/": false, "https://Shop.example": false, "https://shop.example:443": false, "http://shop.example:80": false,
		"https://": false, "": false, "ftp://shop.example": false, "https://a@shop.example": false, "https://shop.example?x": false, "https://shop.example:": false,
		"null": false, "https://shop.example, https://b.example": false, "//shop.example": false,
		"http://*.dev.example:3000": true, "https://*": false, "http://*:3000": false, "https://*.example": false, "https://sh*p.example": false, "https://a.*.example": false,
		"*.shop.example": false, "https://shop.example:65536": false, "https://shop.example:0443": false, "https://shöp.example": false, "https://*.*.example": false,
	} {
		cfg, err := FromConfig(app.Config{CORSOrigins: []string{origin}})
		if good != (err == nil) || good && (len(cfg.Origins) != 1 || cfg.Origins[0] != strings.TrimSpace(origin)) {
			t.Errorf("%q: %v, %v", origin, cfg.Origins, err)
		}
		if err != nil && !strings.Contains(err.Error(), "CORS_ORIGINS") {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
