package app

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLocalTokenIsBesideTheDatabase(t *testing.T) {
	dir := t.TempDir()
	c := Config{Data: dir}
	file := filepath.Join(dir, "gateway.db.pass")
	if c.LocalTokenFile() != file || c.LocalToken() != "" {
		t.Fatalf("it is %q in %s", c.LocalToken(), c.LocalTokenFile())
	}
	first, err := NewLocalToken(file)
	if err != nil || len(first) < 20 || c.LocalToken() != first {
		t.Fatalf("made is %q (%v), left %q", first, err, c.LocalToken())
	}
	if second, err := NewLocalToken(file); err != nil || second == first || c.LocalToken() != second {
		t.Errorf("then made is %q (%v), left %q", second, err, c.LocalToken())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left are %v", entries)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it is %v, %v", info.Mode(), err)
	}
	if _, err := NewLocalToken(filepath.Join(dir, "nowhere", "pass")); err == nil {
		t.Error("made where it cannot be left")
	}
}

func TestNoLocalTokenWithServersOrAToken(t *testing.T) {
	for what, c := range map[string]Config{
		"a token":              {Data: "data", Token: "inner"},
		"PostgreSQL":           {DatabaseURL: "postgres://localhost/shop"},
		"a server of its own":  {Data: "data", ServiceDatabases: map[string]string{Gateway: "postgres://localhost/shop"}},
		"PostgreSQL and token": {DatabaseURL: "postgres://localhost/shop", Token: "inner"},
	} {
		if c.LocalTokenFile() != "" || c.LocalToken() != "" {
			t.Errorf("with %s it is %s", what, c.LocalTokenFile())
		}
	}
	elsewhere := Config{DatabaseURL: "postgres://localhost/shop", ServiceDatabases: map[string]string{Gateway: "sqlite:/var/g.db"}}
	if elsewhere.LocalTokenFile() != "/var/g.db.pass" {
		t.Errorf("it is %s", elsewhere.LocalTokenFile())
	}
}
