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
	"quadrille/pkg/timer"
)

// crashed is the exit code at a crash point: that of a killed process.
const crashed = 137

// crashAt parses POINT:N and returns a function that exits the process, without any cleanup, at
// the Nth call with that point. Crash points lie between two steps that belong together;
// test/chaos shows that nothing is lost there. An empty setting never crashes.
func crashAt(setting string) (func(point string), error) {
	if setting == "" {
		return func(string) {}, nil
	}
	at, count, _ := strings.Cut(setting, ":")
	left, err := strconv.ParseInt(count, 10, 64)
	points := []string{outbox.AtClaimed, outbox.AtPublished, consumer.PointApplied, timer.AtHandled, timer.AtFired}
	if err != nil || left < 1 || !slices.Contains(points, at) {
		return nil, fmt.Errorf("QUADRILLE_CRASH_AT %q is not POINT:N with a point of %v and an N of at least 1", setting, points)
	}
	var passed atomic.Int64
	return func(point string) {
		if point == at && passed.Add(1) == left {
			os.Exit(crashed)
		}
	}, nil
}
