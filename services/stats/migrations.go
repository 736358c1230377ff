package stats

import "embed"

// migrations is the service's tables, for both dialects: versioned, in order, up
// only.
//
//go:embed migrations
var migrations embed.FS
