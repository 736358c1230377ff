package deadletter

import (
	"context"
	"fmt"

	"gorm.io/gorm"
)

// Of names a consumer: letters of others are not touched.
type Of struct {
	Subscriber string
	Stream     string
}

// letters selects the consumer's unclosed letters.
func (o Of) letters(db *gorm.DB) *gorm.DB {
	return db.Model(&Letter{}).Where("subscriber = ? AND stream = ? AND closed_at IS NULL", o.Subscriber, o.Stream)
}

// Sequence describes the unclosed letters of one subject.
type Sequence struct {
	Head     int64 // ID of the first letter
	Length   int
	Behind   int  // letters that wait for the head
	Retrying bool // the consumer retries at least one letter of the subject by itself
}

// Subjects returns up to limit subjects that have unclosed letters.
func (o Of) Subjects(ctx context.Context, db *gorm.DB, limit int) (subjects []string, err error) {
	err = o.letters(db.WithContext(ctx)).Where("subject <> ''").Distinct("subject").Limit(limit).Pluck("subject", &subjects).Error
	if err != nil {
		return nil, fmt.Errorf("list subjects of dead letters: %w", err)
	}
	return subjects, nil
}

// Sequences returns the sequences of those subjects that have unclosed letters.
func (o Of) Sequences(ctx context.Context, db *gorm.DB, subjects []string) (map[string]Sequence, error) {
	var rows []struct {
		Subject  string
		Head     int64
		Length   int
		Behind   int
		Retrying int
	}
	found := map[string]Sequence{}
	const atOnce = 500
	for start := 0; start < len(subjects); start += atOnce {
		err := o.letters(db.WithContext(ctx)).Where("subject IN ?", subjects[start:min(start+atOnce, len(subjects))]).
			Select("subject, MIN(id) AS head, COUNT(*) AS length, SUM(CASE WHEN state = 'behind' THEN 1 ELSE 0 END) AS behind, SUM(CASE WHEN state IN ('parked', 'acting') THEN 1 ELSE 0 END) AS retrying").
			Group("subject").Scan(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("find sequences of dead letters: %w", err)
		}
		for _, r := range rows {
			found[r.Subject] = Sequence{Head: r.Head, Length: r.Length, Behind: r.Behind, Retrying: r.Retrying > 0}
		}
	}
	return found, nil
}

// Promote makes the next letter of a sequence due within tx, after letter l of it was closed.
// It does nothing if l was not the head or had no successor behind it.
func Promote(tx *gorm.DB, l Letter) error {
	if l.Subject == "" {
		return nil
	}
	err := tx.Exec(`UPDATE dead_letters SET state = ?, next_at = ? WHERE state = ? AND id = (
		SELECT MIN(id) FROM dead_letters WHERE subscriber = ? AND stream = ? AND subject = ? AND closed_at IS NULL)`,
		Parked, now(), Behind, l.Subscriber, l.Stream, l.Subject).Error
	if err != nil {
		return fmt.Errorf("continue the sequence of dead letters: %w", err)
	}
	return nil
}

// Adopt makes letters due that wait behind a letter which was closed while they were written.
func (o Of) Adopt(ctx context.Context, db *gorm.DB) error {
	err := db.WithContext(ctx).Exec(`UPDATE dead_letters SET state = ?, next_at = ?
		WHERE subscriber = ? AND stream = ? AND closed_at IS NULL AND state = ? AND NOT EXISTS (
			SELECT 1 FROM dead_letters AS earlier WHERE earlier.subscriber = dead_letters.subscriber AND earlier.stream = dead_letters.stream
			AND earlier.subject = dead_letters.subject AND earlier.closed_at IS NULL AND earlier.id < dead_letters.id)`,
		Parked, now(), o.Subscriber, o.Stream, Behind).Error
	if err != nil {
		return fmt.Errorf("continue sequences of dead letters: %w", err)
	}
	return nil
}

// Overtake closes, within tx, the parked and open letters of each subject in versions that
// have at most its version.
func (o Of) Overtake(tx *gorm.DB, versions map[string]int64) error {
	for subject, version := range versions {
		err := tx.Exec(`UPDATE dead_letters SET state = ?, reason = ?, closed_at = ?, next_at = NULL
			WHERE subscriber = ? AND stream = ? AND subject = ? AND version <= ? AND closed_at IS NULL AND state IN ?`,
			Overtaken, fmt.Sprintf("version %d of the subject was handled", version), now(),
			o.Subscriber, o.Stream, subject, version, []string{Parked, Open}).Error
		if err != nil {
			return fmt.Errorf("close overtaken dead letters: %w", err)
		}
	}
	return nil
}

// Due returns up to limit letters in a state whose NextAt has passed, longest due first.
func (o Of) Due(ctx context.Context, db *gorm.DB, state string, limit int) (letters []Letter, err error) {
	err = o.letters(db.WithContext(ctx)).Where("state = ? AND next_at <= ?", state, now()).Order("next_at, id").Limit(limit).Find(&letters).Error
	if err != nil {
		return nil, fmt.Errorf("find due dead letters: %w", err)
	}
	return letters, nil
}

// Head returns the first unclosed letter of a subject; found is false if there is none.
func (o Of) Head(ctx context.Context, db *gorm.DB, subject string) (l Letter, found bool, err error) {
	res := o.letters(db.WithContext(ctx)).Where("subject = ?", subject).Order("id").Limit(1).Find(&l)
	if res.Error != nil {
		return l, false, fmt.Errorf("read head of a sequence: %w", res.Error)
	}
	return l, res.RowsAffected > 0, nil
}

// Waiting reports whether letters will become due by themselves.
func (o Of) Waiting(ctx context.Context, db *gorm.DB) (bool, error) {
	var ids []int64
	if err := o.letters(db.WithContext(ctx)).Where("next_at IS NOT NULL").Limit(1).Pluck("id", &ids).Error; err != nil {
		return false, fmt.Errorf("find parked dead letters: %w", err)
	}
	return len(ids) > 0, nil
}
