package app

import (
	"os"
	"path/filepath"
	"testing"
)

func TestThePassIsBesideTheDatabase(t *testing.T) {
	dir := t.TempDir()
	c := Config{Data: dir}
	file := filepath.Join(dir, "gateway.db.pass")
	if c.PassFile() != file || c.Pass() != "" {
		t.Fatalf("it is %q in %s", c.Pass(), c.PassFile())
	}
	first, err := NewPass(file)
	if err != nil || len(first) < 20 || c.Pass() != first {
		t.Fatalf("made is %q (%v), left %q", first, err, c.Pass())
	}
	if second, err := NewPass(file); err != nil || second == first || c.Pass() != second {
		t.Errorf("then made is %q (%v), left %q", second, err, c.Pass())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left are %v", entries)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("it is %v, %v", info.Mode(), err)
	}
	if _, err := NewPass(filepath.Join(dir, "nowhere", "pass")); err == nil {
		t.Error("made where it cannot be left")
	}
}

func TestWhereThereIsNoPass(t *testing.T) {
	for what, c := range map[string]Config{
		"a token":              {Data: "data", Token: "inner"},
		"PostgreSQL":           {DatabaseURL: "postgres://localhost/shop"},
		"a server of its own":  {Data: "data", ServiceDatabases: map[string]string{Gateway: "postgres://localhost/shop"}},
		"PostgreSQL and token": {DatabaseURL: "postgres://localhost/shop", Token: "inner"},
	} {
		if c.PassFile() != "" || c.Pass() != "" {
			t.Errorf("with %s it is %s", what, c.PassFile())
		}
	}
	elsewhere := Config{DatabaseURL: "postgres://localhost/shop", ServiceDatabases: map[string]string{Gateway: "sqlite:/var/g.db"}}
	if elsewhere.PassFile() != "/var/g.db.pass" {
		t.Errorf("it is %s", elsewhere.PassFile())
	}
}
