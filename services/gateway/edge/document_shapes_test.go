package edge

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"quadrille/internal/platform/app"
	"quadrille/internal/platform/ops"
	"quadrille/internal/shop/audit"
	"quadrille/services"
	"quadrille/services/gateway/activity"
	"quadrille/services/gateway/auth"
)

// shape compares the JSON encoding of a Go type with a schema: members must be the same,
// and those that are always present must be required. A schema of the services without
// required members is skipped.
func shape(t *testing.T, at string, typ reflect.Type, schema *openapi3.Schema) {
	t.Helper()
	switch {
	case typ.Kind() == reflect.Pointer:
		shape(t, at, typ.Elem(), schema)
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		shape(t, at+"[]", typ.Elem(), schema.Items.Value)
	case typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]():
	default:
		always := []string{}
		members := membersOf(typ)
		for name, field := range members {
			property := schema.Properties[name]
			if property == nil {
				t.Errorf("%s.%s is not in the document", at, name)
				continue
			}
			if !strings.Contains(field.Tag.Get("json"), ",omitempty") {
				always = append(always, name)
			}
			shape(t, at+"."+name, field.Type, property.Value)
		}
		for name := range schema.Properties {
			if _, has := members[name]; !has {
				t.Errorf("%s.%s is in the document alone", at, name)
			}
		}
		slices.Sort(always)
		if required := slices.Sorted(slices.Values(schema.Required)); len(required) > 0 && !slices.Equal(required, always) {
			t.Errorf("%s: %v are always there, the document says %v", at, always, required)
		}
	}
}

// membersOf returns the fields of a struct by their JSON names.
func membersOf(typ reflect.Type) map[string]reflect.StructField {
	members := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			members[name] = field
		}
	}
	return members
}

func TestDocumentMatchesResponseTypes(t *testing.T) {
	t.Parallel()
	schemas := documented(t).Components.Schemas
	for name, typ := range map[string]reflect.Type{
		"Me": reflect.TypeFor[me](), "Key": reflect.TypeFor[auth.Key](), "Audit": reflect.TypeFor[auditView](),
		"AuditReport": reflect.TypeFor[audit.Report](), "ServiceState": reflect.TypeFor[serviceState](),
		"Subscriptions": reflect.TypeFor[ops.Subscriptions](), "DeadLetterPage": reflect.TypeFor[ops.DeadPage](),
		"GroupResult": reflect.TypeFor[ops.GroupResult](), "Replay": reflect.TypeFor[ops.Plan](),
	} {
		shape(t, name, typ, schemas[name].Value)
	}
	sameNames(t, "ServiceName", schemas["ServiceName"].Value.Enum, append([]string{app.Gateway}, slices.Sorted(slices.Values(services.Names()))...))
	sameNames(t, "Role", schemas["Role"].Value.Enum, auth.AllRoles())
}

// sameNames compares the enumeration of a schema with the names that there are, in order.
func sameNames[T ~string](t *testing.T, schema string, documented []any, names []T) {
	t.Helper()
	var got, want []string
	for _, name := range documented {
		got = append(got, fmt.Sprint(name))
	}
	for _, name := range names {
		want = append(want, string(name))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the enum of the schema %s is [%s]: make it [%s] in services/gateway/overlay.yaml where the overlay has it, then go generate ./services/gateway", schema, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

// exact checks that a schema accepts a document and names all its members.
func exact(t *testing.T, what string, schema *openapi3.Schema, text string) {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Errorf("%s is %q: %v", what, text, err)
		return
	}
	if err := schema.VisitJSON(value); err != nil {
		t.Errorf("%s is %s: %v", what, text, err)
	}
	onlyNamed(t, what, schema, value)
}

func onlyNamed(t *testing.T, at string, schema *openapi3.Schema, value any) {
	t.Helper()
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			onlyNamed(t, at+"[]", schema.Items.Value, item)
		}
	case map[string]any:
		for name, member := range v {
			if property := schema.Properties[name]; property != nil {
				onlyNamed(t, at+"."+name, property.Value, member)
			} else if schema.AdditionalProperties.Schema == nil {
				t.Errorf("%s.%s is not in the document", at, name)
			}
		}
	}
}

func TestDocumentMatchesActivityResponses(t *testing.T) {
	t.Parallel()
	d := opened(t, overHTTP, Config{}, (&requestLog{}).serveAll(), withDevRoutes(t))
	recordFullEvent(t, d)
	for _, o := range operations(t) {
		query := map[string]string{prefix + "/ops/traces": "?subject=o-1"}[o.path]
		if o.Responses.Status(http.StatusOK) == nil || o.RequestBody != nil || o.method != http.MethodGet || !isOwnJSON(o.path) {
			continue
		}
		a := d.ask(http.MethodGet, o.target()+query, "")
		if a.status != http.StatusOK || a.body == `{"items":[]}`+"\n" {
			t.Errorf("%s gives %d %s", o, a.status, a.body)
			continue
		}
		exact(t, o.String(), o.Responses.Status(http.StatusOK).Value.Content.Get("application/json").Schema.Value, a.body)
	}
	made := d.ask(http.MethodPost, prefix+"/ops/keys", `{"name":"n","roles":["customer"],"subject":"ann","expires_at":"2099-01-01T00:00:00Z"}`, "Idempotency-Key", "k")
	exact(t, "a new key", documented(t).Components.Schemas["Key"].Value, made.body)
	token := d.ask(http.MethodPost, "/dev/token", `{"subject":"ann","roles":["staff"]}`)
	exact(t, "a token", documented(t).Components.Schemas["DevToken"].Value, token.body)
}

// isOwnJSON reports whether the gateway itself responds at path, with JSON, whatever is
// recorded.
func isOwnJSON(path string) bool {
	return slices.Contains([]string{prefix + "/me", prefix + "/ops/traces", prefix + "/ops/history", prefix + "/ops/services", "/dev/token"}, path)
}

// streamed checks up to most frames of a stream of events and returns their names.
func streamed(t *testing.T, doc *openapi3.T, lines iter.Seq[string], most int) (names []string) {
	t.Helper()
	schemas := map[string]string{"hello": "EventHello", "reset": "EventReset"}
	for line := range lines {
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			names = append(names, value)
		case "data":
			event := names[len(names)-1]
			exact(t, event, doc.Components.Schemas[cmp.Or(schemas[event], "Event")].Value, value)
			if len(names) == most {
				return names
			}
		}
	}
	return names
}

// Both a stream and the example of a stream match the document.
func TestDocumentMatchesStreams(t *testing.T) {
	t.Parallel()
	doc := documented(t)
	example := doc.Paths.Value(prefix + "/events").Get.Responses.Status(http.StatusOK).Value.Content.Get("text/event-stream").Example.(string)
	if names := streamed(t, doc, strings.Lines(example), 10); !slices.Equal(names, []string{"hello", "sales.order_confirmed", "reset"}) {
		t.Errorf("the example has %v", names)
	}
	d := opened(t, overHTTP, Config{}, nil)
	recordFullEvent(t, d)
	got, err := d.http.Do(d.request(http.MethodGet, prefix+"/events", "", "Last-Event-ID", "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	read := bufio.NewScanner(got.Body)
	lines := func(yield func(string) bool) {
		for read.Scan() && yield(read.Text()) {
		}
	}
	if names := streamed(t, doc, lines, 2); !slices.Equal(names, []string{"hello", "sales.order_placed"}) {
		t.Errorf("the stream has %v", names)
	}
}

// recordFullEvent has the gateway record an event in which every member is set.
func recordFullEvent(t *testing.T, d *testGateway) {
	t.Helper()
	at := time.Now().UTC().Truncate(time.Microsecond)
	if err := d.db.Create(&activity.Activity{
		Seq: 1, Stream: "sales", EventID: "e", Type: "sales.order_placed", Subject: "o-1", Version: 1, Customer: "ann",
		Correlation: "c", Causation: "w", Time: at, SeenAt: at,
	}).Error; err != nil {
		t.Fatal(err)
	}
}
