// Package ui serves the shop's web pages: static files without a build step.
//
// All files but the page itself are below /ui/<version>/, where the version is a hash of
// all files. Browsers may therefore cache them forever, and a page never loads modules of
// another version. Browsers revalidate the page on each load by its ETag.
package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed index.html app.css staff.css js vendor
var files embed.FS

// versionLength is the number of hex digits of a version.
const versionLength = 16

// types maps the extensions of the served files to media types. Other files are not served.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// asset is one file, plain and compressed.
type asset struct {
	kind          string
	etag          string
	plain, packed []byte
}

// site holds all assets.
type site struct {
	version string
	page    asset
	assets  map[string]asset // by path
}

// Handler returns a handler for GET and HEAD at the root of a host. It serves the files
// below /ui/, and the page at every other address: with 200 if the page has a route for
// it, with 404 if not. It keeps the files in memory, compressed once, and is safe for
// concurrent use. The caller sets the security headers. The pages need no inline scripts,
// inline styles or eval, and nothing from other hosts.
func Handler() (http.Handler, error) {
	return load(files)
}

func load(from fs.FS) (*site, error) {
	s := &site{assets: map[string]asset{}}
	all := sha256.New()
	err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || types[path.Ext(name)] == "" {
			return err
		}
		body, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(all, "%s %d\n%s", name, len(body), body)
		s.assets[name], err = pack(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the pages: %w", err)
	}
	s.version = hex.EncodeToString(all.Sum(nil))[:versionLength]
	s.page, err = pack("index.html", bytes.ReplaceAll(s.assets["index.html"].plain, []byte("VERSION"), []byte(s.version)))
	return s, err
}

func pack(name string, body []byte) (asset, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return asset{}, fmt.Errorf("pack %s: %w", name, err)
	}
	if _, err = w.Write(body); err == nil {
		err = w.Close()
	}
	if err != nil {
		return asset{}, fmt.Errorf("pack %s: %w", name, err)
	}
	sum := sha256.Sum256(body)
	return asset{types[path.Ext(name)], hex.EncodeToString(sum[:])[:versionLength], body, packed.Bytes()}, nil
}

// ServeHTTP answers one request.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	if rest, file := strings.CutPrefix(r.URL.Path, "/ui/"); file {
		s.file(w, r, rest)
		return
	}
	status := http.StatusOK
	if !shown(r.URL.Path) {
		status = http.StatusNotFound
	}
	if status == http.StatusNotFound && path.Ext(r.URL.Path) != "" { // a file, such as /favicon.ico, not a page
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	s.page.send(w, r, status)
}

// file serves <version>/<path>. During an update, a page may ask for another version: it
// gets the current file, which the browser must not cache.
func (s *site) file(w http.ResponseWriter, r *http.Request, rest string) {
	version, name, _ := strings.Cut(rest, "/")
	a, known := s.assets[name]
	if !known || name == "index.html" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	if version != s.version {
		w.Header().Set("Cache-Control", "no-cache")
	}
	a.send(w, r, http.StatusOK)
}

// shown reports whether main.js may have a route for p.
func shown(p string) bool {
	first, rest, _ := strings.Cut(strings.Trim(p, "/"), "/")
	switch first {
	case "", "basket", "wishlist", "warehouse":
		return rest == ""
	case "products":
		return rest != "" && !strings.Contains(rest, "/")
	case "orders":
		return !strings.Contains(rest, "/")
	case "operations", "floor": // floor: the name in bookmarks of earlier versions
		return rest == "" || rest == "traces" || rest == "dead-letters" || rest == "tasks"
	default:
		return false
	}
}

func (a asset) send(w http.ResponseWriter, r *http.Request, status int) {
	body, etag := a.plain, `"`+a.etag+`"`
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	if takesGzip(r) {
		body, etag = a.packed, `"`+a.etag+`-gz"` // each representation has its own ETag
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if status == http.StatusOK && matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone: nothing can report the error to it
	}
}

func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, weighed := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !weighed || err == nil && weight > 0
		}
	}
	return false
}

// matches reports whether an If-None-Match header matches the ETag, by weak comparison as
// RFC 9110 requires.
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if tag := strings.TrimPrefix(strings.TrimSpace(part), "W/"); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
