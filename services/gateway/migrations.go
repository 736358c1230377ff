package gateway

import "embed"

// migrations is the gateway's tables, for both dialects: versioned, in order, up
// only.
//
//go:embed migrations
var migrations embed.FS
