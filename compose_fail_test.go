package quadrille_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// edit changes a container in place of its map.
func edit(name string, change func(*container)) func(composition) {
	return func(c composition) {
		s := c.Services[name]
		s.Environment, s.DependsOn = maps.Clone(s.Environment), maps.Clone(s.DependsOn)
		change(&s)
		c.Services[name] = s
	}
}

func setting(service, variable, value string) func(composition) {
	return edit(service, func(s *container) { s.Environment[variable] = value })
}

// The checks that hold compose to the code find what they are for, and call it by
// name.
func TestComposeChecksCanFail(t *testing.T) {
	if len(want(t).findings(readComposition(t))) > 0 {
		t.Skip("the file has mistakes, which TestComposeFitsTheCode reports: correct them first")
	}
	for finding, change := range map[string]func(composition){
		"sales: is in the Procfile and has no container":                                             func(c composition) { delete(c.Services, "sales") },
		"web: SALES_URL leads to sales, which does not exist":                                        func(c composition) { delete(c.Services, "sales") },
		`extra: is not in the Procfile: add "extra: quadrille serve sales", or remove the container`: func(c composition) { c.Services["extra"] = c.Services["sales"] },
		"sales: runs [serve stats], and the Procfile":                                                edit("sales", func(s *container) { s.Command = []string{"serve", "stats"} }),
		"web: SALES_URL leads to port 8083 and not 8084":                                             setting("web", "SALES_URL", "http://sales:8083"),
		"web: SALES_URL leads to another service":                                                    setting("web", "SALES_URL", "http://stats:8085"),
		"web: is not told STATS_URL":                                                                 setting("web", "STATS_URL", ""),
		"stats: AMQP_URL leads to port 15672 and not 5672":                                           setting("stats", "AMQP_URL", "amqp://rabbitmq:15672"),
		"stats: DATABASE_URL leads to db, which does not exist":                                      setting("stats", "DATABASE_URL", "postgres://db:5432/x"),
		"stats: REDIS_URL is no URL":                                                                 setting("stats", "REDIS_URL", "redis://%zz"),
		"stats: sets SMTP_SERVER, which nobody reads":                                                setting("stats", "SMTP_SERVER", "mail"),
		"stats: is not told INTERNAL_TOKEN":                                                          setting("stats", "INTERNAL_TOKEN", ""),
		"stats: does not listen where the others look":                                               setting("stats", "HOST", "127.0.0.1"),
		"redis: image redis is not pinned to a tag":                                                  edit("redis", func(s *container) { s.Image = "redis" }),
		"redis: image redis:latest is not pinned to a tag":                                           edit("redis", func(s *container) { s.Image = "redis:latest" }),
		"redis: has no health check":                                                                 edit("redis", func(s *container) { s.Healthcheck.Test = nil }),
		"web: waits for the health of redis, which is never":                                         edit("redis", func(s *container) { s.Healthcheck.Test = nil }),
		"web: depends on redis, which does not exist":                                                func(c composition) { delete(c.Services, "redis") },
		"web: waits for the end of migrate, which does not end":                                      edit("migrate", func(s *container) { s.Restart = "always" }),
		"web: starts before migrate has ended":                                                       edit("web", func(s *container) { delete(s.DependsOn, "migrate") }),
		"web: depends on redis in no condition":                                                      edit("web", func(s *container) { s.DependsOn["redis"] = struct{ Condition string }{} }),
		"sales: asks for its health by [CMD /quadrille healthy":                                      edit("sales", func(s *container) { s.Healthcheck.Test[3] = "stats" }),
		"sales: publishes port 8084":                                                                 edit("sales", func(s *container) { s.Ports = []string{"127.0.0.1:8084:8084"} }),
		"sales: publishes port 8080":                                                                 edit("sales", func(s *container) { s.Ports = []string{"127.0.0.1:8080:8080"} }),
		"postgres: publishes port 5432":                                                              edit("postgres", func(s *container) { s.Ports = []string{"5432:5432"} }),
		"rabbitmq: publishes port 15672 on more than 127.0.0.1":                                      edit("rabbitmq", func(s *container) { s.Ports = []string{"15672:15672"} }),
		"sales: runs as root":                                                                        edit("sales", func(s *container) { s.User = "" }),
		"sales: can write to its image":                                                              edit("sales", func(s *container) { s.ReadOnly = false }),
		"sales: keeps privileges":                                                                    edit("sales", func(s *container) { s.CapDrop = nil }),
		"sales: has a fixed name and cannot be scaled":                                               edit("sales", func(s *container) { s.Name = "sales" }),
		"sales: is not started again":                                                                edit("sales", func(s *container) { s.Restart = "" }),
		"sales: is killed after 5s":                                                                  edit("sales", func(s *container) { s.StopWithin = 5e9 }),
		"sales: has a log without limits":                                                            edit("sales", func(s *container) { s.Logging.Options = nil }),
		"redis: volume redis is not declared":                                                        func(c composition) { delete(c.Volumes, "redis") },
		"redis: volume ./data is not declared":                                                       edit("redis", func(s *container) { s.Volumes = []string{"./data:/data"} }),
		"volume redis is used by nobody":                                                             edit("redis", func(s *container) { s.Volumes = nil }),
		"rabbitmq: config rabbitmq_plugins is not declared":                                          func(c composition) { delete(c.Configs, "rabbitmq_plugins") },
	} {
		c := readComposition(t)
		change(c)
		found := want(t).findings(c)
		if !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, finding) }) {
			t.Errorf("not found: %s\nbut: %q", finding, found)
		}
	}
}
