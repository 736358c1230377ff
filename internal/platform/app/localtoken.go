package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// LocalTokenFile returns the path of the local token, with which commands on this machine call
// the gateway's internal API. The file lies beside the gateway's database file, so that
// both have the same readers. LocalTokenFile returns "" if INTERNAL_TOKEN is set, or if the
// database is on a server. The address of a caller proves nothing: behind a proxy all
// requests come from this machine.
func (c Config) LocalTokenFile() string {
	file, embedded := strings.CutPrefix(c.Database(Gateway), "sqlite:")
	if c.Token != "" || !embedded {
		return ""
	}
	return file + ".pass"
}

// LocalToken returns the local token of the gateway that started last, or "".
func (c Config) LocalToken() string {
	if c.LocalTokenFile() == "" {
		return ""
	}
	token, err := os.ReadFile(c.LocalTokenFile())
	if err != nil {
		return "" // the gateway will answer that a token is missing
	}
	return string(token)
}

// NewLocalToken makes a local token and writes it to file, which only its owner can read.
// It replaces the token of an earlier start atomically.
func NewLocalToken(file string) (token string, err error) {
	token = rand.Text()
	next, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // 0600
	if err != nil {
		return "", fmt.Errorf("write the local token: %w", err)
	}
	_, err = next.WriteString(token)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		_ = os.Remove(next.Name())
		return "", fmt.Errorf("write the local token: %w", err)
	}
	return token, nil
}
