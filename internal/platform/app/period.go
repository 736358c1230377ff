package app

import (
	"fmt"
	"time"
)

// Period is a time in the configuration after which something happens. Zero means never.
type Period time.Duration

// UnmarshalText parses a duration of Go, such as 90m, or one in the notation of retention, such
// as 3D.
func (p *Period) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		if d, err = retention("the time", string(text)); err != nil {
			return err
		}
	}
	if d < 0 || d > longestPeriod {
		return fmt.Errorf("the time %s is negative or longer than %d years", text, int(longestPeriod.Hours()/24/365))
	}
	*p = Period(d)
	return nil
}

// longestPeriod is the longest Period that is accepted. Databases store times that far ahead.
const longestPeriod = 200 * 365 * 24 * time.Hour

// String returns the period as a duration of Go.
func (p Period) String() string { return time.Duration(p).String() }

// Keep has the times for which services keep rows that nothing needs any more. Zero means for
// ever.
type Keep struct {
	Imports time.Duration // ended imports of inventory
	Audits  time.Duration // audits of the gateway
}

func (c Config) keep() Keep {
	return Keep{Imports: time.Duration(c.ImportsKeep), Audits: time.Duration(c.AuditsKeep)}
}

// OrderTimes has the times after which sales acts on orders that make no progress. Zero means
// never.
type OrderTimes struct {
	Timeout      time.Duration // a placed order is cancelled
	ShipReminder time.Duration // a confirmed order is overdue
}

func (c Config) orderTimes() OrderTimes {
	return OrderTimes{Timeout: time.Duration(c.OrderTimeout), ShipReminder: time.Duration(c.ShipReminder)}
}
