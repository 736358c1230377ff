// Package ready runs the readiness checks of a service: whether the database accepts writes,
// the relay sends and the readers move. A Registry probes in the background, so results cost
// nothing even if a probe hangs. A check fails only after its trouble has lasted for a while,
// so that it does not flap on a busy machine.
package ready
