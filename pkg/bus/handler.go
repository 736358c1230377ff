package bus

import (
	"context"

	"gorm.io/gorm"

	"quadrille/pkg/events"
)

// Tx is an open transaction on the subscriber's own database. The alias lets a
// consumer hand it to its store without knowing what it is.
type Tx = *gorm.DB

// Handler is what a subscriber does with a batch of events, in two steps,
// because no transaction may be held over a call to somebody else.
//
// Both steps may run again for the same batch, for a part of it or for another
// cut of the stream; what Apply writes must therefore be idempotent by the
// external ID and version of the things named.
type Handler[F any] interface {
	// Fetch asks the owners for the distinct things that the events name. No
	// transaction is open.
	Fetch(ctx context.Context, batch []events.Event) (F, error)
	// Apply writes the effect, with the outbox rows that come of it, through
	// tx. The reader moves its position in the same transaction and commits.
	Apply(ctx context.Context, tx Tx, batch []events.Event, fetched F) error
}
