package auth

import "regexp"

var subjectPattern = regexp.MustCompile(`^[A-Za-z0-9._@-]{1,64}$`)

// subjectRule says what isSubject takes.
const subjectRule = "1 to 64 of A-Z a-z 0-9 . _ @ -, and neither . nor .."

// isSubject reports whether a text may be the name of a customer, as the services take
// them. Names that are steps in a path are none: nobody could ever reach what is theirs.
func isSubject(text string) bool {
	return subjectPattern.MatchString(text) && text != "." && text != ".."
}
