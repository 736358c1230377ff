package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PassFile returns the path of the local token, with which commands on this machine call
// the gateway's internal API. The file lies beside the gateway's database file, so that
// both have the same readers. PassFile returns "" if INTERNAL_TOKEN is set, or if the
// database is on a server. The address of a caller proves nothing: behind a proxy all
// requests come from this machine.
func (c Config) PassFile() string {
	file, embedded := strings.CutPrefix(c.Database(Gateway), "sqlite:")
	if c.Token != "" || !embedded {
		return ""
	}
	return file + ".pass"
}

// Pass returns the local token of the gateway that started last, or "".
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
