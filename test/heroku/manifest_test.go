package heroku_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// manifest holds the repository's app.json.
type manifest struct {
	lines map[string]string // Procfile: command by process type
	app   appJSON
}

// appJSON is as much of app.json as has an effect.
type appJSON struct {
	Addons []struct{ Plan string }
	Env    map[string]struct{ Value, Generator string }
	// Formation holds the initial number and size of dynos by process type.
	Formation map[string]struct {
		Quantity int
		Size     string
	}
}

// processType is a line of a Procfile, as Heroku reads it.
var processType = regexp.MustCompile(`(?m)^([A-Za-z0-9_-]+):\s*(.+?)\s*$`)

// release is the process type that runs once before each deploy, and is no part of
// the formation.
const release = "release"

func readManifest(t *testing.T) manifest {
	t.Helper()
	m := manifest{lines: map[string]string{}}
	procfile, err := os.ReadFile("../../Procfile")
	must(t, err)
	for _, line := range processType.FindAllStringSubmatch(string(procfile), -1) {
		m.lines[line[1]] = line[2]
	}
	text, err := os.ReadFile("../../app.json")
	must(t, err)
	must(t, json.Unmarshal(text, &m.app))
	for kind := range m.app.Formation {
		if m.lines[kind] == "" {
			t.Fatalf("app.json has a formation with %s, which is not in the Procfile", kind)
		}
	}
	for kind := range m.lines {
		if kind != release && m.app.Formation[kind].Quantity < 1 {
			t.Fatalf("the formation of app.json leaves %s of the Procfile out", kind)
		}
	}
	return m
}

// config returns the config vars in app.json.
func (m manifest) config() map[string]string {
	config := map[string]string{}
	for name, v := range m.app.Env {
		config[name] = v.Value
		if v.Generator == "secret" {
			config[name] = "a secret for " + name
		}
	}
	return config
}

func (m manifest) plans() (plans []string) {
	for _, a := range m.app.Addons {
		plans = append(plans, a.Plan)
	}
	return plans
}
