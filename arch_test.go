package quadrille_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rule forbids imports to files, with the reason that a failure gives. The exceptions
// may be nil.
type rule struct {
	files, exceptFiles     *regexp.Regexp
	imports, exceptImports *regexp.Regexp
	why                    string
}

func (r rule) forbids(file, imported string) bool {
	matches := func(re *regexp.Regexp, s string) bool { return re != nil && re.MatchString(s) }
	return matches(r.files, file) && !matches(r.exceptFiles, file) && matches(r.imports, imported) && !matches(r.exceptImports, imported)
}

// rules returns the rules for everybody and those of each service. They follow from the
// folders: a service is protected from its first commit.
func rules(services []string) []rule {
	re := regexp.MustCompile
	all := []rule{
		{files: re(`^pkg/`), imports: re(`^quadrille/(services|internal|cmd)`), why: "pkg imports nothing of ours but pkg"},
		{files: re(`^(internal|services/[a-z]+)/`), exceptFiles: re(`^services/gateway/.*_test\.go$`), imports: re(`^quadrille/services$`), why: "the registry imports every service: it is handed down to those who need it"},
		{files: re(`^internal/`), imports: re(`^quadrille/services/`), exceptImports: re(`/client$`), why: "what services are built on knows only their clients"},
		{files: re(`^`), imports: re(`amqp091`), why: "only the drivers of log and RPC speak AMQP"},
		{files: re(`^`), exceptFiles: re(`^test/harness/parts/container/`), imports: re(`testcontainers`), why: "tests, build and vet do not compile the Docker client"},
		{files: re(`^services/gateway/activity/(record|access|render|ring|hub|stream[a-z_]*|limiter|events|traces|history)\.go$`), imports: re(`gorm\.io|labstack/echo|amqp091`), why: "the dispatch of events knows neither database nor router"},
	}
	for _, name := range services {
		folder := "^services/" + name + "/"
		all = append(all,
			rule{files: re(folder), imports: re(`^quadrille/services/`), exceptImports: re(`^quadrille/services/(` + name + `(/|$)|[a-z]+/client$)`), why: "a service imports only the clients of other services"},
			rule{files: re(folder + `[a-z_]+\.go$`), exceptFiles: re(`/(api|consume|importer|migrations|ready|service|store|wire)[a-z_]*\.go$|_test\.go$`), imports: re(`gorm\.io|labstack/echo|amqp091`), why: "the domain knows neither database nor wire"},
			rule{files: re(folder + `api\.go$`), imports: re(`gorm\.io|amqp091`), why: "the API calls the service, not the database or the log"},
			rule{files: re(folder + `([a-z]+/)?store[a-z_]*\.go$`), imports: re(`labstack/echo|amqp091`), why: "the store knows rows, not requests or messages"},
			rule{files: re(folder + `([a-z]+/)?consume\.go$`), imports: re(`gorm\.io`), why: "a consumer passes its transaction on and does not use it: give it a store (copies.Table, or that of store.go), made in wire.go"},
		)
	}
	return all
}

// serviceFolders returns the names of the folders below services.
func serviceFolders(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("services")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) < 6 {
		t.Fatalf("found only the services %q", names)
	}
	return names
}

// mayImport reports the exceptions to the rules.
func mayImport(file, imported string) bool {
	speaks := strings.HasPrefix(file, "pkg/bus/rabbitmq/") || strings.HasPrefix(file, "pkg/broker/") || strings.HasPrefix(file, "pkg/rpc/amqprpc/")
	if speaks && strings.Contains(imported, "amqp091") {
		return true // the log's driver, RPC's, and the connection of both
	}
	testing := strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "test/")
	return testing && (strings.Contains(imported, "amqp091") || strings.HasPrefix(imported, "quadrille/internal/")) // cleaning up, and finding servers
}

// broken returns the rules that a file with these imports breaks.
func broken(all []rule, file string, imports []string) (found []string) {
	for _, r := range all {
		for _, imported := range imports {
			if r.forbids(file, imported) && !mayImport(file, imported) {
				found = append(found, file+" imports "+imported+": "+r.why)
			}
		}
	}
	return found
}

// goFiles parses every Go file of the tree.
func goFiles(t *testing.T, visit func(file string, syntax *ast.File)) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && file != "." {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(file) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		seen++
		visit(filepath.ToSlash(file), syntax)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 80 {
		t.Fatalf("only %d files were looked at", seen)
	}
}

func importsOf(syntax *ast.File) (imports []string) {
	for _, i := range syntax.Imports {
		name, _ := strconv.Unquote(i.Path.Value)
		imports = append(imports, name)
	}
	return imports
}

func TestImportRules(t *testing.T) {
	all := rules(serviceFolders(t))
	goFiles(t, func(file string, syntax *ast.File) {
		for _, b := range broken(all, file, importsOf(syntax)) {
			t.Error(b)
		}
	})
}

// A rule that cannot be broken proves nothing.
func TestImportRulesCanFail(t *testing.T) {
	all := rules(append(serviceFolders(t), "loyalty")) // a new folder is protected, too
	for file, imported := range map[string]string{
		"services/sales/wire.go":           "quadrille/services/inventory",
		"services/sales/order.go":          "gorm.io/gorm",
		"services/sales/api.go":            "gorm.io/gorm",
		"services/sales/store.go":          "github.com/labstack/echo/v4",
		"services/sales/consume.go":        "gorm.io/gorm",
		"pkg/outbox/relay.go":              "quadrille/internal/platform/db",
		"internal/platform/app/shop.go":    "github.com/rabbitmq/amqp091-go",
		"services/inventory/wire.go":       "quadrille/services/sales/api",
		"services/wishlist/store.go":       "github.com/rabbitmq/amqp091-go",
		"services/catalog/product.go":      "github.com/labstack/echo/v4",
		"services/loyalty/consume.go":      "quadrille/services/sales",
		"services/sales/service.go":        "quadrille/services/loyalty",
		"services/loyalty/points.go":       "gorm.io/gorm",
		"internal/platform/app/service.go": "quadrille/services/sales",
		"internal/platform/app/config.go":  "quadrille/services",
		"internal/shop/audit/notes.go":     "quadrille/services",
		"services/loyalty/wire.go":         "quadrille/services",
		"services/gateway/config.go":       "quadrille/services",

		"services/gateway/wire.go":             "quadrille/services/sales/api",
		"services/stats/wire.go":               "quadrille/services/gateway/activity",
		"services/gateway/activity/consume.go": "gorm.io/gorm",
		"services/gateway/activity/store.go":   "github.com/labstack/echo/v4",
		"services/gateway/activity/access.go":  "gorm.io/gorm",
	} {
		if len(broken(all, file, []string{imported})) == 0 {
			t.Errorf("%s may import %s", file, imported)
		}
	}
}

// A client is for everybody who calls the service: it must not bring the
// service's own machinery along.
func TestClientsAreLight(t *testing.T) {
	clients, err := filepath.Glob("services/*/client")
	if err != nil || len(clients) < 5 {
		t.Fatalf("found clients %v, %v", clients, err)
	}
	for _, client := range clients {
		list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+client).Output()
		if err != nil {
			t.Fatal(err)
		}
		own := "quadrille/" + path.Dir(filepath.ToSlash(client))
		for dep := range strings.FieldsSeq(string(list)) {
			if strings.HasPrefix(dep, "gorm.io") || strings.Contains(dep, "labstack/echo") || dep == own {
				t.Errorf("%s depends on %s", client, dep)
			}
		}
	}
}

// A program that uses one RPC transport must not link the client library of another.
func TestRPCCoreIsLight(t *testing.T) {
	const most = 15
	if deps := thirdParty(t, "./pkg/rpc"); len(deps) > most {
		t.Errorf("pkg/rpc depends on %d third-party packages, want at most %d: %q", len(deps), most, deps)
	}
	for transport, foreign := range map[string]string{"amqprpc": "go-redis", "redisrpc": "amqp091"} {
		for _, dep := range thirdParty(t, "./pkg/rpc/"+transport) {
			if strings.Contains(dep, foreign) {
				t.Errorf("pkg/rpc/%s depends on %s", transport, dep)
			}
		}
	}
}

// Packages over the event log must not link a driver of it.
func TestLogDriversAreSeparate(t *testing.T) {
	for _, pkg := range []string{"./pkg/bus", "./pkg/outbox", "./pkg/consumer"} {
		for _, dep := range thirdParty(t, pkg) {
			if strings.Contains(dep, "amqp091") || strings.Contains(dep, "modernc.org") {
				t.Errorf("%s depends on %s", pkg, dep)
			}
		}
	}
	for driver, foreign := range map[string]string{"rabbitmq": "modernc.org", "sqlitelog": "amqp091"} {
		for _, dep := range thirdParty(t, "./pkg/bus/"+driver) {
			if strings.Contains(dep, foreign) {
				t.Errorf("pkg/bus/%s depends on %s", driver, dep)
			}
		}
	}
}

// thirdParty lists the packages of other modules that a package depends on.
func thirdParty(t *testing.T, pkg string) (deps []string) {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if and .Module (ne .Module.Path "quadrille")}}{{.ImportPath}}{{end}}`, pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(list))
}

// Nothing that the program is built from needs a C compiler, also where one exists
// and cgo is on: go run and go test would compile it, and nobody would notice.
func TestNoCgo(t *testing.T) {
	const foreign = "{{if and (not .Standard) .CgoFiles}}{{.ImportPath}}: {{.CgoFiles}}{{end}}"
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", foreign, "./cmd/quadrille")
	list.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for found := range strings.Lines(string(out)) {
		t.Errorf("./cmd/quadrille compiles C of %s", strings.TrimSpace(found))
	}
}

func TestOnePackageCommentPerFolder(t *testing.T) {
	comments, folders := map[string]int{}, map[string]bool{}
	goFiles(t, func(file string, syntax *ast.File) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		folder := path.Dir(file)
		folders[folder] = true
		if syntax.Doc != nil && !strings.HasSuffix(file, ".gen.go") {
			comments[folder]++
		}
	})
	for folder := range folders {
		if comments[folder] != 1 {
			t.Errorf("%s has %d package comments, want 1", folder, comments[folder])
		}
	}
}

// What a process is told from outside is read in one place. Tests find their
// servers by the environment, too.
func TestOnlyAppReadsTheEnvironment(t *testing.T) {
	allowed := regexp.MustCompile(`^(internal/platform/app/|cmd/|examples/|test/harness/)|_test\.go$`)
	goFiles(t, func(file string, syntax *ast.File) {
		if allowed.MatchString(file) {
			return
		}
		ast.Inspect(syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" && (s.Sel.Name == "Getenv" || s.Sel.Name == "LookupEnv" || s.Sel.Name == "Environ") {
					t.Errorf("%s reads the environment", file)
				}
			}
			return true
		})
	})
}

func TestNoInit(t *testing.T) {
	goFiles(t, func(file string, syntax *ast.File) {
		for _, d := range syntax.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function: wiring is done where it can be read", file)
			}
		}
		for _, i := range syntax.Imports {
			if i.Name != nil && i.Name.Name == "_" && i.Path.Value != `"embed"` && i.Path.Value != `"time/tzdata"` && file != "pkg/bus/sqlitelog/log.go" {
				t.Errorf("%s wires %s by a blank import", file, i.Path.Value)
			}
		}
	})
}

// A transaction that meets a conflict is run again in one place.
func TestOnlyDbtxBeginsTransactions(t *testing.T) {
	allowed := regexp.MustCompile(`^(pkg/dbtx/|pkg/bus/sqlitelog/|internal/platform/db/dbtest/|test/)|_test\.go$`)
	goFiles(t, func(file string, syntax *ast.File) {
		if allowed.MatchString(file) {
			return
		}
		ast.Inspect(syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if s, ok := call.Fun.(*ast.SelectorExpr); ok && (s.Sel.Name == "Transaction" || s.Sel.Name == "Begin" && len(call.Args) == 0) {
				t.Errorf("%s begins a transaction by %s: use dbtx.Run", file, s.Sel.Name)
			}
			return true
		})
	})
}

// Every relative link in the documents leads somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob("docs/decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	code := regexp.MustCompile("(?s)```.*?```") // in which brackets mean something else
	found := 0
	for _, document := range append(append(documents, decisions...), "README.md", "CHANGELOG.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(code.ReplaceAll(text, nil), -1) {
			if strings.Contains(string(m[1]), "://") {
				continue
			}
			found++
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), string(m[1]))); err != nil {
				t.Errorf("%s links to %s: %v", document, m[1], err)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d links were followed", found)
	}
}
