package rabbitmq

import (
	"errors"
	"quadrille/pkg/bus"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// RabbitMQ answers 406 both for a queue of another form and for a stream whose replica
// has not started. Only the first one needs an operator.
func TestTellsMisconfiguredFromStartingBroker(t *testing.T) {
	for reason, misconfigured := range map[string]bool{
		"PRECONDITION_FAILED - stream queue 'x.history' in vhost '/' does not have a running replica on the local node":                              false,
		"PRECONDITION_FAILED - queue 'x.history' in vhost '/' does not have a replica on the local node":                                             false,
		"PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'x.history' in vhost '/': received 'stream' but current is none":            true,
		"PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'topic'":                      true,
		"PRECONDITION_FAILED - queue 'x.history' in vhost '/' has another form than this version of the driver knows a text for, whatever it may be": true,
	} {
		err := brokerError("read", "x.history", &amqp.Error{Code: amqp.PreconditionFailed, Reason: reason})
		if !errors.Is(err, bus.ErrUnavailable) || errors.Is(err, bus.ErrMisconfigured) != misconfigured {
			t.Errorf("%s: got %v, want misconfigured %t", reason, err, misconfigured)
		}
	}
}
