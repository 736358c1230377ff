package app

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"quadrille/pkg/consumer"
	"quadrille/pkg/outbox"
)

// crashed is the exit code of a process that was told where to die: that of one
// that was killed.
const crashed = 137

// crashAt ends the process, without a word to anybody, at the Nth time it passes a
// point between two steps that belong together. That is how test/chaos shows that
// nothing is lost there. Nothing told means never.
func crashAt(told string) (func(point string), error) {
	if told == "" {
		return func(string) {}, nil
	}
	at, count, _ := strings.Cut(told, ":")
	left, err := strconv.ParseInt(count, 10, 64)
	points := []string{outbox.AtClaimed, outbox.AtPublished, consumer.PointApplied}
	if err != nil || left < 1 || !slices.Contains(points, at) {
		return nil, fmt.Errorf("QUADRILLE_CRASH_AT %q is not POINT:N with a point of %v and an N from 1", told, points)
	}
	var passed atomic.Int64
	return func(point string) {
		if point == at && passed.Add(1) == left {
			os.Exit(crashed)
		}
	}, nil
}
