package events

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// MaxRoutingKey is the maximum length of a routing key in bytes (AMQP 0-9-1, short string).
const MaxRoutingKey = 255

// RoutingKey returns "service.event.subject". A fanout exchange ignores it. Where the
// exchange is bound to amq.topic, it becomes the MQTT topic service/event/subject; dots and
// slashes of the subject are therefore percent-encoded. FitRoutingKey shortens long keys.
func (e Event) RoutingKey() string {
	return FitRoutingKey(e.Type + "." + strings.NewReplacer("%", "%25", ".", "%2E", "/", "%2F").Replace(e.Subject))
}

// digestDigits is the length of the digest in a shortened routing key: 128 bits.
const digestDigits = 32

// FitRoutingKey shortens a key of more than MaxRoutingKey bytes: it keeps the beginning, up
// to a whole character, and adds "~" and the first 32 hexadecimal digits of the SHA-256 of
// the whole key. Different keys remain different.
func FitRoutingKey(key string) string {
	if len(key) <= MaxRoutingKey {
		return key
	}
	end := MaxRoutingKey - digestDigits - 1
	for end > 0 && !utf8.RuneStart(key[end]) {
		end--
	}
	if escape := strings.LastIndexByte(key[:end], '%'); escape > end-3 && escape >= 0 {
		end = escape // do not cut an escape, which has three characters
	}
	sum := sha256.Sum256([]byte(key))
	return key[:end] + "~" + hex.EncodeToString(sum[:])[:digestDigits]
}
