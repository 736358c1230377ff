// Package limit holds callers to a rate: token buckets, in Redis where several
// processes share them, else in this one.
package ratelimit
