package idempotency

import (
	"os"
	"testing"
	"time"

	"gorm.io/gorm"

	"quadrille/internal/platform/db/dbtest"
	"quadrille/pkg/fault"
)

// The clock is set back by an hour: a dead owner's claim does not hold the key for an
// hour, and a live owner keeps it.
func TestAClaimInTheFuture(t *testing.T) {
	dbtest.Each(t, "gateway", os.DirFS(".."), func(t *testing.T, conn *gorm.DB) {
		past := &Store{DB: conn, Now: func() time.Time { return time.Now().Add(time.Hour).Truncate(time.Microsecond) }}
		if _, _, err := past.Claim(t.Context(), "dead", "request"); err != nil {
			t.Fatal(err)
		}
		live, _, err := past.Claim(t.Context(), "live", "request")
		if err != nil {
			t.Fatal(err)
		}
		ended, renewed := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(renewed)
			for {
				select {
				case <-ended:
					return
				case <-time.After(renewInterval / 4):
					if err := past.Renew(t.Context(), live); err != nil {
						t.Error(err)
					}
				}
			}
		}()
		now := &Store{DB: conn, WaitTimeout: 30 * time.Second}
		if _, before, err := now.Await(t.Context(), "dead", "request"); err != nil || before != nil {
			t.Errorf("the key of a dead owner gives %v, %v", before, err)
		}
		now.WaitTimeout = lockDuration + 2*time.Second
		if _, _, err := now.Await(t.Context(), "live", "request"); !fault.Is(err, fault.Conflict) {
			t.Errorf("the key of a live owner gives %v, want a conflict", err)
		}
		close(ended)
		<-renewed
	})
}
