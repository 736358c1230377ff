package app

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/caarlos0/env/v11"
)

// shortestLife is the shortest DATABASE_MAX_LIFE and DATABASE_MAX_IDLE that are accepted:
// below it, connections are replaced faster than they are used.
const shortestLife = time.Second

// checkTimes returns an error for each waiting time that is not positive.
func (c Config) checkTimes() error {
	var errs []error
	if c.GatewayTimeout <= 0 {
		errs = append(errs, fmt.Errorf("GATEWAY_TIMEOUT %s is not positive; set a duration such as 25s", c.GatewayTimeout))
	}
	if c.StuckAfter <= 0 {
		errs = append(errs, fmt.Errorf("STUCK_AFTER %s is not positive; set a duration such as 20s", c.StuckAfter))
	}
	return errors.Join(errs...)
}

// checkZone returns an error if TASKS_TZ does not name a time zone.
func (c Config) checkZone() error {
	// Local is another zone on each machine.
	if _, err := time.LoadLocation(c.TasksZone); err != nil || c.TasksZone == "Local" {
		return fmt.Errorf("TASKS_TZ %q is not a time zone; give a name such as Europe/Berlin, or UTC", c.TasksZone)
	}
	return nil
}

// zone returns the time zone of daily tasks; UTC if the configuration does not come from the
// environment.
func (c Config) zone() *time.Location {
	zone, err := time.LoadLocation(c.TasksZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// checkDatabase returns an error for each invalid limit of the connection pool. Zero means the
// default.
func (c Config) checkDatabase() error {
	var errs []error
	if c.DatabasePool < 0 {
		errs = append(errs, fmt.Errorf("DATABASE_POOL %d is negative; give the number of connections of one service, such as 10", c.DatabasePool))
	}
	for _, limit := range []struct {
		name  string
		value time.Duration
	}{{"DATABASE_MAX_LIFE", c.DatabaseMaxLife}, {"DATABASE_MAX_IDLE", c.DatabaseMaxIdle}} {
		if limit.value != 0 && limit.value < shortestLife {
			errs = append(errs, fmt.Errorf("%s %s is less than %s; give a duration such as 5m", limit.name, limit.value, shortestLife))
		}
	}
	return errors.Join(errs...)
}

// unparsed rewrites the errors of env.Parse: they name variables instead of fields, and omit
// the values, which may be secret.
func unparsed(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return fmt.Errorf("read environment: %w", err)
	}
	var errs []error
	for _, one := range all.Errors {
		var failed env.ParseError
		field, found := reflect.StructField{}, errors.As(one, &failed)
		if found {
			field, found = reflect.TypeFor[Config]().FieldByName(failed.Name)
		}
		if !found {
			errs = append(errs, fmt.Errorf("read environment: %w", one))
			continue
		}
		errs = append(errs, fmt.Errorf("%s is not %s", field.Tag.Get("env"), wanted(failed.Type)))
	}
	return errors.Join(errs...)
}

// wanted describes the values that a variable of the type takes.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Period]():
		return "a time with its unit, such as 24h, 90m or 3D; 0 means never"
	case t == reflect.TypeFor[time.Duration]():
		return "a duration with its unit, such as 30s or 5m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return "a whole number"
	default:
		return "a " + t.String()
	}
}
