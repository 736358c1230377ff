package dberr

// state classifies an SQLSTATE. spoils means that the connection must be closed.
type state struct {
	kind   Kind
	spoils bool
}

// ofState looks up an SQLSTATE by its five characters, and then by its class, the first
// two. Unlisted codes, such as those of extensions and of RAISE, are Other.
func ofState(code string) state {
	states := postgresStates()
	if s, found := states[code]; found {
		return s
	}
	if len(code) == 5 {
		return states[code[:2]]
	}
	return state{}
}

// postgresStates lists the classes of PostgreSQL's appendix A, and the codes that differ
// from their class. It omits the classes that the statement's data causes:
// 20 case not found, 21 cardinality violation, 22 data exception, 23 integrity
// constraint violation, 27 triggered data change violation, 38 and 39 external
// routines, 44 WITH CHECK OPTION, 54 program limit exceeded and P0 PL/pgSQL.
func postgresStates() map[string]state {
	const keeps, spoils = false, true
	return map[string]state{
		"03":    {Unfit, keeps},        // SQL statement not yet complete
		"08":    {Unavailable, spoils}, // connection exception; PgBouncer uses 08P01 for all of its errors
		"0A":    {Unfit, spoils},       // feature not supported; 0A000 is also a cached plan whose table changed
		"0B":    {Unavailable, spoils}, // invalid transaction initiation
		"0L":    {Unfit, keeps},        // invalid grantor
		"0P":    {Unfit, keeps},        // invalid role specification
		"24":    {Unavailable, spoils}, // invalid cursor state
		"25":    {Unavailable, spoils}, // invalid transaction state: 25006 read-only, 25P03 idle for too long
		"25P02": {Other, keeps},        // follows another error in the same transaction, which decides
		"26":    {Unavailable, spoils}, // invalid SQL statement name: another session's prepared statement
		"28":    {Unfit, keeps},        // invalid authorization: password, role, pg_hba.conf
		"2B":    {Unfit, keeps},        // dependent privilege descriptors still exist
		"2D":    {Unavailable, spoils}, // invalid transaction termination
		"2F":    {Unfit, keeps},        // SQL routine exception: a routine may not do what it does
		"34":    {Unavailable, spoils}, // invalid cursor name
		"3B":    {Unavailable, spoils}, // savepoint exception
		"3D":    {Unfit, keeps},        // no such database
		"3F":    {Unfit, keeps},        // no such schema
		"40":    {Unavailable, keeps},  // transaction rollback: 40003, outcome unknown
		"40001": {Conflict, keeps},     // serialization failure
		"40002": {Other, keeps},        // integrity constraint violation at commit
		"40P01": {Conflict, keeps},     // deadlock
		"42":    {Unfit, keeps},        // syntax or access rule: no table, column, function or right
		"42P05": {Unavailable, spoils}, // prepared statement exists: another session's
		"53":    {Unavailable, keeps},  // insufficient resources: disk, memory, connections
		"55":    {Unavailable, keeps},  // object not in prerequisite state: 55P03 lock_timeout
		"57":    {Unavailable, spoils}, // operator intervention: shutdown, crash, starting
		"57014": {Unavailable, keeps},  // cancelled: statement_timeout, pg_cancel_backend
		"57P04": {Unfit, spoils},       // database dropped
		"58":    {Unavailable, keeps},  // system error: I/O, a missing file
		"72":    {Unavailable, keeps},  // snapshot too old
		"F0":    {Unfit, keeps},        // configuration file error
		"HV":    {Unavailable, keeps},  // foreign data wrapper: the other server fails
		"XX":    {Unavailable, spoils}, // internal error, corrupted data or index
	}
}
