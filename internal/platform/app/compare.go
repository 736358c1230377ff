package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"quadrille/pkg/consumer"
	"quadrille/pkg/task"
)

// CompareCopies names the task that compares a service's copies with their owners' lists.
const CompareCopies = "compare_copies"

// compareOff is the value of COMPARE_AT without the task.
const compareOff = "off"

// compareSpread is the time between the comparisons of two services, so that they do not
// call the same owner at once.
const compareSpread = 7 * time.Minute

// checkCompareAt returns an error if COMPARE_AT is neither a time of day nor "off". Empty means
// "off": the configuration does not come from the environment.
func (c Config) checkCompareAt() error {
	if c.CompareAt == compareOff || c.CompareAt == "" {
		return nil
	}
	if _, err := task.Daily(c.CompareAt, time.UTC); err != nil {
		return fmt.Errorf("COMPARE_AT %w; or off", err)
	}
	return nil
}

// compareTask returns the task that compares the copies of a service, or false if it has none
// or the task is off.
func (i *instance) compareTask() (t task.Task, has bool, err error) {
	comparable := slices.DeleteFunc(slices.Clone(i.consumers), func(c *consumer.Consumer) bool { return !c.Comparable() })
	at := i.shop.cfg.CompareAt
	if len(comparable) == 0 || at == compareOff || at == "" {
		return t, false, nil
	}
	wall, err := time.Parse("15:04", at)
	if err != nil {
		return t, false, fmt.Errorf("COMPARE_AT: %w", err)
	}
	wall = wall.Add(time.Duration(max(0, slices.Index(i.shop.cfg.Services, i.service.Name))) * compareSpread)
	schedule, err := task.Daily(wall.Format("15:04"), i.shop.cfg.zone())
	if err != nil {
		return t, false, err
	}
	return task.Task{
		Name: CompareCopies, Schedule: schedule, Missed: task.Once, Limit: time.Hour,
		Do: func(ctx context.Context, run *task.Run) error { return i.compare(ctx, run, comparable) },
	}, true, nil
}

// compare compares the copies of all streams, repairs what differs, and reports the numbers. A
// stream that fails does not keep it from the others.
func (i *instance) compare(ctx context.Context, run *task.Run, consumers []*consumer.Consumer) error {
	var errs []error
	var texts []string
	for _, c := range consumers {
		found, err := c.Compare(ctx, func(ctx context.Context, work func(consumer.Tx) error) error {
			return run.Do(ctx, func(tx *gorm.DB) error { return work(tx) })
		})
		texts = append(texts, found.String())
		run.Report(strings.Join(texts, "; "))
		switch {
		case ctx.Err() != nil:
			return errors.Join(context.Cause(ctx), err)
		case err != nil:
			errs = append(errs, err)
		case len(found.Refused) > 0:
			errs = append(errs, fmt.Errorf("%s: %w", c.Stream(), found.Refused))
		}
		if found.Missing+found.Outdated > 0 {
			i.log.Warn("copies differed from their owner's list", "stream", c.Stream(), "compared", found.Listed,
				"missing", found.Missing, "outdated", found.Outdated, "repaired", found.Repaired)
		}
	}
	return errors.Join(errs...)
}
