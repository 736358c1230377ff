package quadrille_test

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// comments counts the comments of functions and methods by their form.
type comments struct{ all, states, riddles int }

// states matches "X is …", which describes a result instead of naming the action.
// riddles matches "X is what …", "X returns those of …" and the like, which readers have to
// decode.
var (
	states  = regexp.MustCompile(`^\w+ (is|are) `)
	riddles = regexp.MustCompile(`^\w+ (is|are|returns|return) (what|who|whose|whom|how|where|when|whether|why)\b|^\w+ (returns|return) (all )?those\b`)
)

func (c *comments) add(name, text string) {
	if !strings.HasPrefix(text, name+" ") {
		return
	}
	c.all++
	if states.MatchString(text) {
		c.states++
	}
	if riddles.MatchString(text) {
		c.riddles++
	}
}

// Comments of functions and methods begin with a verb: "Append adds events to the
// outbox". Generated code does not count.
func TestFunctionCommentsBeginWithAVerb(t *testing.T) {
	const maxStates, maxRiddles = 0.15, 0.005
	var total comments
	folders := map[string]*comments{}
	goFiles(t, func(file string, syntax *ast.File) {
		if ast.IsGenerated(syntax) {
			return
		}
		folder := path.Dir(file)
		if folders[folder] == nil {
			folders[folder] = new(comments)
		}
		for _, d := range syntax.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Doc != nil {
				total.add(f.Name.Name, f.Doc.Text())
				folders[folder].add(f.Name.Name, f.Doc.Text())
			}
		}
	})
	if share(total.riddles, total.all) <= maxRiddles && share(total.states, total.all) <= maxStates {
		return
	}
	t.Errorf("of %d comments of functions %d have the form \"X is …\" (at most %.0f %% may) and %d \"X is what …\" (at most %.1f %%)",
		total.all, total.states, 100*maxStates, total.riddles, 100*maxRiddles)
	names := make([]string, 0, len(folders))
	for folder := range folders {
		names = append(names, folder)
	}
	slices.SortFunc(names, func(a, b string) int { return folders[b].states - folders[a].states })
	for _, folder := range names {
		if c := folders[folder]; c.states+c.riddles > 0 {
			t.Logf("%4d of %4d, %3d riddles: %s", c.states, c.all, c.riddles, folder)
		}
	}
}

func share(n, of int) float64 { return float64(n) / float64(max(of, 1)) }
