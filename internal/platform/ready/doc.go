// Package ready keeps the checks by which a service tells whether its work gets done:
// a database that takes writes, a relay that sends, readers that move. Registry runs
// the checks in the background, so that asking for the results costs nothing, whatever
// hangs and however many ask. A check fails only when its trouble has lasted for a
// while, so that a busy machine does not make it flap.
package ready
