package edge

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"quadrille/pkg/fault"
)

// kinds maps the names of fault's kinds in the code to their values.
func kinds() map[string]fault.Kind {
	return map[string]fault.Kind{
		"Internal": fault.Internal, "Malformed": fault.Malformed, "Unauthorized": fault.Unauthorized, "Forbidden": fault.Forbidden,
		"NotFound": fault.NotFound, "Conflict": fault.Conflict, "Gone": fault.Gone, "Stale": fault.Stale, "TooLarge": fault.TooLarge,
		"Invalid": fault.Invalid, "TooMany": fault.TooMany, "Unavailable": fault.Unavailable, "Misdirected": fault.Misdirected,
	}
}

// otherStatus maps codes to their status where it is not the status of their kind.
func otherStatus() map[string]int {
	return map[string]int{
		"too_many_streams": http.StatusTooManyRequests, "method_not_allowed": http.StatusMethodNotAllowed,
		"media_type_unsupported": http.StatusUnsupportedMediaType, "body_late": http.StatusRequestTimeout,
	}
}

// sources parses the gateway's code and the server code that it shares with the services,
// by folder.
func sources(t *testing.T) map[string][]*ast.File {
	t.Helper()
	paths := []string{"../../../internal/platform/rest/problem.go", "../../../internal/platform/rest/text.go", "../../../internal/platform/rest/guard.go", "../../../internal/platform/rest/complexity.go"}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]*ast.File{}
	for _, path := range paths {
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Dir(path)] = append(files[filepath.Dir(path)], file)
	}
	return files
}

// constants returns the string constants of a folder by name.
func constants(files []*ast.File) map[string]string {
	named := map[string]string{}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, is := n.(*ast.ValueSpec); is && len(spec.Values) == len(spec.Names) {
				for i, name := range spec.Names {
					if text, is := literal(spec.Values[i]); is {
						named[name.Name] = text
					}
				}
			}
			return true
		})
	}
	return named
}

func literal(e ast.Expr) (string, bool) {
	lit, is := e.(*ast.BasicLit)
	if !is || lit.Kind != gotoken.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// codesIn adds the codes and statuses of the faults in a folder.
func codesIn(t *testing.T, files []*ast.File, codes map[string][]int) {
	t.Helper()
	named := constants(files)
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is || !selects(call.Fun, "fault", "New") {
				return true
			}
			code, said := literal(call.Args[1])
			if name, is := call.Args[1].(*ast.Ident); is {
				code, said = named[name.Name], named[name.Name] != ""
			}
			kind, has := kinds()[last(call.Args[0])]
			if !said || !has {
				t.Errorf("a fault whose kind or code cannot be read from the code: %v", call.Args[:2])
				return true
			}
			status := kind.Status()
			if other, has := otherStatus()[code]; has {
				status = other
			}
			if !slices.Contains(codes[code], status) {
				codes[code] = append(codes[code], status)
			}
			return true
		})
	}
}

// selects reports whether e is pkg.name.
func selects(e ast.Expr, pkg, name string) bool {
	s, is := e.(*ast.SelectorExpr)
	if !is {
		return false
	}
	x, is := s.X.(*ast.Ident)
	return is && x.Name == pkg && s.Sel.Name == name
}

func last(e ast.Expr) string {
	if s, is := e.(*ast.SelectorExpr); is {
		return s.Sel.Name
	}
	return ""
}

// The document lists the codes of the gateway's own problems with their statuses:
// programs depend on them.
func TestDocumentListsAllProblemCodes(t *testing.T) {
	t.Parallel()
	codes := map[string][]int{}
	for _, files := range sources(t) {
		codesIn(t, files, codes)
	}
	schema := treeOf(t, document(t))["components"].(tree)["schemas"].(tree)["ProblemCode"].(tree)
	statuses := schema["x-statuses"].(tree)
	for code, have := range codes {
		var said []int
		list, _ := statuses[code].([]any)
		for _, status := range list {
			said = append(said, status.(int))
		}
		slices.Sort(have)
		if !slices.Equal(said, have) {
			t.Errorf("%s comes with %v, the document says %v", code, have, said)
		}
	}
	var listed []string
	for _, code := range schema["enum"].([]any) {
		listed = append(listed, code.(string))
	}
	if want := slices.Sorted(maps.Keys(codes)); !slices.Equal(listed, want) {
		t.Errorf("the document lists %v, the code has %v", listed, want)
	}
	if len(statuses) != len(codes) {
		t.Errorf("the document has statuses of %d codes, the code has %d", len(statuses), len(codes))
	}
}
