package app

import (
	"fmt"
	"strconv"
	"time"
)

// retention parses a duration in RabbitMQ's notation for x-max-age: a number and a unit of Y,
// M, D, h, m or s. A month has 30 days. "0" and "" mean for ever and give 0.
func retention(variable, text string) (time.Duration, error) {
	if text == "" || text == "0" {
		return 0, nil
	}
	const day = 24 * time.Hour
	units := map[byte]time.Duration{'Y': 365 * day, 'M': 30 * day, 'D': day, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	n, err := strconv.ParseInt(text[:len(text)-1], 10, 32)
	unit := units[text[len(text)-1]]
	if err != nil || n < 1 || unit == 0 || n > int64(200*365*day/unit) {
		return 0, fmt.Errorf("%s %q is not a number and a unit (Y, M, D, h, m, s), such as 30D; 0 means for ever", variable, text)
	}
	return time.Duration(n) * unit, nil
}
