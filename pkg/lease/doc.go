// Package lease lets one of several instances of a service do what only one
// should do at a time, such as reading. It keeps the others idle; it is not what
// makes their work safe. That is the fencing of each position: an instance that
// was stopped in the middle and goes on when its lease is long gone does no harm
// (Kleppmann, "How to do distributed locking", 2016).
package lease
