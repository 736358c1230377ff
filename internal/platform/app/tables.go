package app

// Table declares what keeps a table of a service's database from growing for ever: either a
// task that deletes old rows, or the reason why none is needed.
type Table struct {
	Name string
	// Task names the task that deletes old rows. Age says how long rows are kept: a variable of
	// the configuration, or a time where it is fixed.
	Task, Age string
	// Bound is the reason why no task deletes rows, such as "one row per product". It excludes
	// Task.
	Bound string
}

// CommonTables returns the declarations of the tables that every service has.
func (s Service) CommonTables() []Table {
	outbox := Table{Name: "outbox", Task: PruneOutbox, Age: "OUTBOX_KEEP"}
	if s.ConsumerOnly {
		outbox = Table{Name: "outbox", Bound: "empty: the service publishes no events"}
	}
	return []Table{
		outbox,
		{Name: "dead_letters", Task: PruneDeadLetters, Age: "DEAD_KEEP"},
		{Name: "idempotency_keys", Task: PruneIdempotencyKeys, Age: "IDEMPOTENCY_KEEP"},
		{Name: "leases", Bound: "one row"},
		{Name: "positions", Bound: "one row per stream that the service reads"},
		{Name: "tasks", Bound: "one row per task"},
		{Name: "timers", Bound: "one row per timer that is set; a timer that fires is deleted"},
	}
}
