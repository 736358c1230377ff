// Package chaos breaks a running shop, of separate processes on servers of its own,
// while orders come in, and counts: every order that was accepted is there once, in
// one final state, everywhere. docs/reliability.md has the table of a long run.
package chaos
