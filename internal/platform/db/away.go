package db

import "quadrille/pkg/dberr"

// ErrUnavailable is matched by errors of a database that cannot be reached, is full, busy,
// read-only or too slow: another try may find it well. See package dberr.
var ErrUnavailable = dberr.ErrUnavailable
