package edge

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"quadrille/services"
)

// tree is a node of a YAML document.
type tree = map[string]any

func treeOf(t *testing.T, text []byte) tree {
	t.Helper()
	var root tree
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

func treeIn(t *testing.T, file string) tree {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return treeOf(t, text)
}

// whole replaces the references in a node by what they refer to: two documents may name
// the same schema differently.
func (f form) whole(part any) any {
	switch p := part.(type) {
	case tree:
		if ref, is := p["$ref"].(string); is {
			var at any = f.root
			for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				at = at.(tree)[step]
			}
			return f.whole(at)
		}
		out := tree{}
		for name, value := range p {
			out[name] = f.whole(value)
		}
		return out
	case []any:
		out := make([]any, len(p))
		for i, value := range p {
			out[i] = f.whole(value)
		}
		return out
	default:
		return part
	}
}

// form is an operation of a document, as far as callers depend on it.
type form struct {
	root       tree
	parameters tree            // by where and name
	body       any             // nil: none
	answers    tree            // their content, by status, where they are none of an error
	headers    map[string]tree // of these answers
}

func formOf(root tree, path, method string) form {
	item := root["paths"].(tree)[path].(tree)
	op := item[method].(tree)
	f := form{root: root, parameters: tree{}, answers: tree{}, headers: map[string]tree{}}
	f.body = f.whole(op["requestBody"])
	for _, of := range []tree{item, op} {
		list, _ := of["parameters"].([]any)
		for _, p := range list {
			one := f.whole(p).(tree)
			f.parameters[one["in"].(string)+" "+one["name"].(string)] = one
		}
	}
	for status, answer := range op["responses"].(tree) {
		if status < "400" {
			one := f.whole(answer).(tree)
			f.answers[status] = one["content"]
			f.headers[status], _ = one["headers"].(tree)
		}
	}
	return f
}

// publicRoutes returns the routes to the services' own paths.
func publicRoutes() (all []route) {
	for _, r := range newRouteTable(services.All()) {
		if !r.isOps() {
			r.inner = r.target().inner
			all = append(all, r)
		}
	}
	return all
}

// published is an operation of a service with its public counterpart.
type published struct{ document, path, method, public string }

// publishedOperations returns every operation of the services below a public route.
func publishedOperations(t *testing.T) (all []published) {
	t.Helper()
	const ops = "../../../internal/platform/ops/ops.yaml"
	ways := append(publicRoutes(),
		route{path: "/ops/services/{service}/subscriptions", inner: "/subscriptions"}, route{path: "/ops/services/{service}/dead-letters", inner: "/dead-letters"},
		route{path: "/ops/services/{service}/tasks", inner: "/tasks"})
	for _, r := range ways {
		file := "../../" + r.service + "/openapi.yaml"
		if r.service == "" {
			file = ops
		}
		before := len(all)
		for path, item := range treeIn(t, file)["paths"].(tree) {
			rest, below := strings.CutPrefix(path, r.inner)
			if !below || rest != "" && rest[0] != '/' {
				continue
			}
			for method := range item.(tree) {
				if method != "parameters" {
					all = append(all, published{file, path, method, prefix + r.path + rest})
				}
			}
		}
		if len(all) == before {
			t.Errorf("services/%s makes %s public, and no path in its openapi.yaml is at or below %s: write both alike, parameters too", r.service, r.path, r.inner)
		}
	}
	return all
}

// agreed applies the intended differences of the public API to the service's form.
func agreed(p published, of *form) {
	delete(of.parameters, "header Idempotency-Key") // the gateway accepts it with every POST
	if strings.Contains(p.public, "/services/{service}/") {
		of.parameters["path service"] = tree{}
	}
	if p.public == prefix+"/wishlist" || p.public == prefix+"/wishlist/{sku}" {
		delete(of.parameters, "path customer") // it is the caller
	}
	if p.method+" "+p.public == "post "+prefix+"/orders" {
		schema := of.body.(tree)["content"].(tree)["application/json"].(tree)["schema"].(tree)
		schema["required"] = []any{"lines"} // for the customer is the caller
	}
}

// Requests and responses in the public document equal those of the services, except for
// the intended differences.
func TestDocumentMatchesTheServices(t *testing.T) {
	t.Parallel()
	root := treeOf(t, document(t))
	for _, p := range publishedOperations(t) {
		what := p.method + " " + p.public
		item, is := root["paths"].(tree)[p.public].(tree)
		if !is || item[p.method] == nil {
			t.Errorf("%s is not in the public document: publish it in services/gateway/overlay.yaml, then go generate ./services/gateway", what)
			continue
		}
		theirs, ours := formOf(treeIn(t, p.document), p.path, p.method), formOf(root, p.public, p.method)
		agreed(p, &theirs)
		delete(ours.parameters, "header Idempotency-Key")
		if ours.parameters["path service"] != nil {
			ours.parameters["path service"] = tree{}
		}
		if what == "post "+prefix+"/orders" {
			schema := ours.body.(tree)["content"].(tree)["application/json"].(tree)["schema"].(tree)
			delete(schema["properties"].(tree)["customer"].(tree), "description")
		}
		same(t, what+": parameters", theirs.parameters, ours.parameters)
		same(t, what+": body", theirs.body, ours.body)
		same(t, what+": answers", theirs.answers, ours.answers)
		for status, headers := range theirs.headers {
			delete(ours.headers[status], "Idempotency-Replayed")
			delete(headers, "Idempotency-Replayed")
			same(t, what+": headers of "+status, slices.Sorted(maps.Keys(headers)), slices.Sorted(maps.Keys(ours.headers[status])))
		}
	}
}

func same(t *testing.T, what string, theirs, ours any) {
	t.Helper()
	if !reflect.DeepEqual(theirs, ours) {
		t.Errorf("%s:\n the service's is %v\n the gateway's   %v", what, theirs, ours)
	}
}

// The document has every public operation of the services and of the gateway, and no
// other.
func TestDocumentIsComplete(t *testing.T) {
	t.Parallel()
	there := map[string]bool{"GET /healthz": true, "GET /readyz": true} // which are not the router's
	for _, p := range publishedOperations(t) {
		there[strings.ToUpper(p.method)+" "+p.public] = true
	}
	d := opened(t, overHTTP, Config{}, nil, withDevRoutes(t))
	for _, r := range d.server.e.Routes() {
		path := strings.ReplaceAll(r.Path, ":id", "{id}")
		public := strings.HasPrefix(path, prefix) || strings.HasPrefix(path, "/dev/")
		if public && r.Name != refusedRoute && slices.Contains([]string{"GET", "PUT", "POST", "DELETE"}, r.Method) {
			there[r.Method+" "+path] = true
		}
	}
	documented := map[string]bool{}
	for _, o := range operations(t) {
		documented[o.String()] = true
		if !there[o.String()] {
			t.Errorf("%s is in the document and nowhere else", o)
		}
	}
	for what := range there {
		if !documented[what] {
			t.Errorf("%s is not in the public document: publish it in services/gateway/overlay.yaml, then go generate ./services/gateway", what)
		}
	}
	for _, r := range newRouteTable(services.All()) {
		path := strings.Replace(r.path, "/ops/services/"+r.service, "/ops/services/{service}", 1)
		if !slices.ContainsFunc(slices.Collect(maps.Keys(documented)), func(o string) bool { return strings.Contains(o, " "+prefix+path) }) {
			t.Errorf("nothing below %s is in the document", r.path)
		}
	}
}
