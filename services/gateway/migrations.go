package gateway

import "embed"

// migrations holds the gateway's schema migrations for both dialects: versioned,
// ordered, up only.
//
//go:embed migrations
var migrations embed.FS
