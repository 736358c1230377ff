package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PassFile is where a gateway leaves what commands of its machine show to be let
// inside: beside its database, where that is a file, so that whoever may read the one
// may read the other. It is empty where INTERNAL_TOKEN does that, or the database is a
// server's. Where a request comes from proves nothing: behind a proxy everybody comes
// from this machine.
func (c Config) PassFile() string {
	file, embedded := strings.CutPrefix(c.Database(Gateway), "sqlite:")
	if c.Token != "" || !embedded {
		return ""
	}
	return file + ".pass"
}

// Pass is what was left there by the gateway that started last; empty where nothing is.
func (c Config) Pass() string {
	if c.PassFile() == "" {
		return ""
	}
	pass, err := os.ReadFile(c.PassFile())
	if err != nil {
		return "" // the gateway will say that it wants one
	}
	return string(pass)
}

// NewPass makes a pass and leaves it in file, for nobody but the file's owner. It
// replaces the one of an earlier start at once.
func NewPass(file string) (pass string, err error) {
	pass = rand.Text()
	next, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // 0600
	if err != nil {
		return "", fmt.Errorf("leave a pass for commands: %w", err)
	}
	_, err = next.WriteString(pass)
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		_ = os.Remove(next.Name())
		return "", fmt.Errorf("leave a pass for commands: %w", err)
	}
	return pass, nil
}
