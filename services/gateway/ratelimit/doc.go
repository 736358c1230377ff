// Package ratelimit limits the rate of requests by token buckets, in Redis where several
// processes share them, else in this process.
package ratelimit
