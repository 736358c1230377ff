package auth

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"quadrille/internal/platform/db"
	"quadrille/pkg/fault"
)

// DevSignIn issues tokens for any name without a password. It is for development on a
// laptop, where there is no issuer and no data to protect.
type DevSignIn struct {
	// Tokens validates the issued tokens.
	Tokens *Tokens

	key jwk.Key
	now func() time.Time
}

// Claims of a development token.
const (
	devIssuer   = "quadrille-dev"
	devAudience = "quadrille"
	devFor      = 12 * time.Hour
)

// secret is a row of the table secrets.
type secret struct {
	Name  string `gorm:"primaryKey"`
	Value string
}

// NewDevSignIn creates a DevSignIn. Its signing key is in the gateway's database, so that
// tokens stay valid across restarts and in other processes; the first call creates it.
func NewDevSignIn(ctx context.Context, conn *gorm.DB) (*DevSignIn, error) {
	raw, err := devKey(ctx, conn)
	if err != nil {
		return nil, err
	}
	key, err := jwk.Import(raw)
	if err != nil {
		return nil, fmt.Errorf("key of the development sign-in: %w", err)
	}
	set := jwk.NewSet()
	if err := set.AddKey(key); err != nil {
		return nil, fmt.Errorf("key of the development sign-in: %w", err)
	}
	tokens, err := NewTokens(TokensConfig{
		Keys: Fixed(set), Issuer: devIssuer, Audience: devAudience, Algorithms: []string{jwa.HS256().String()}, Kind: KindDev,
	})
	return &DevSignIn{Tokens: tokens, key: key, now: time.Now}, err
}

// devKey reads the signing key and creates it if there is none. Processes that start
// concurrently get the same key.
func devKey(ctx context.Context, conn *gorm.DB) ([]byte, error) {
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // it never fails
	row := secret{Name: "dev-sign-in", Value: hex.EncodeToString(fresh)}
	err := conn.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error
	if err == nil {
		err = conn.WithContext(ctx).Take(&row, "name = ?", row.Name).Error
	}
	if err != nil {
		return nil, db.Wrap(err, "key of the development sign-in")
	}
	return hex.DecodeString(row.Value)
}

// Issue returns a token for subject, valid for 12 hours, and the caller that it
// identifies. The caller has the given roles and customer. It returns a fault (Invalid)
// if subject is not a valid customer name.
func (d *DevSignIn) Issue(subject string, roles []Role) (token string, caller Caller, err error) {
	if !isSubject(subject) {
		return "", Caller{}, fault.New(fault.Invalid, "subject_invalid", "the name must be "+subjectRule).With("/subject", "must be "+subjectRule)
	}
	now := d.now().UTC().Truncate(time.Second)
	claims := jwt.New()
	for name, value := range map[string]any{
		jwt.IssuerKey: devIssuer, jwt.AudienceKey: devAudience, jwt.SubjectKey: subject,
		jwt.IssuedAtKey: now, jwt.ExpirationKey: now.Add(devFor), "roles": roles,
	} {
		err = errors.Join(err, claims.Set(name, value))
	}
	if err != nil {
		return "", Caller{}, fmt.Errorf("create token: %w", err)
	}
	signed, err := jwt.Sign(claims, jwt.WithKey(jwa.HS256(), d.key))
	if err != nil {
		return "", Caller{}, fmt.Errorf("sign token: %w", err)
	}
	caller, err = d.Tokens.Caller(context.Background(), string(signed))
	return string(signed), caller, err
}
