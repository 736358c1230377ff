// Package nodes runs real servers that a test has for itself, as processes on
// this machine: PostgreSQL, Redis, RabbitMQ nodes and clusters of them. The test may stop
// them, kill -9 them and start them again, which nobody may do to servers that are
// shared. What is missing on the machine skips the test, unless
// QUADRILLE_TEST_REQUIRE names it.
package nodes
