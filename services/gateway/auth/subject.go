package auth

import "regexp"

var subjectPattern = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

// subjectRule describes the names that isSubject accepts.
const subjectRule = "1 to 64 of A-Z a-z 0-9 . _ @ -, and neither . nor .."

// isSubject reports whether services accept the text as the name of a customer. The
// path segments . and .. are refused: no request could reach them.
func isSubject(text string) bool {
	return subjectPattern.MatchString(text) && text != "." && text != ".."
}
