package export

import (
	"regexp"
	"unicode/utf8"
)

// What the CustomResourceDefinitions permit. A test holds these to the
// definitions.
const (
	maxTeamName    = 256
	maxDescription = 4096
	maxPeople      = 5000
	maxListed      = 200
	maxMetricName  = 512
	maxMetricType  = 128
	maxApplication = 256
	maxHoldoutID   = 256
	maxPersonName  = 256
	maxEmail       = 254
	maxRole        = 128

	emailPattern = `^[\w.!#$&'*+=?^{|}~-]+@[\w.-]+$`
	// What addresses, lines and texts must not hold.
	unfitEmail = `^[.]|[.][.]|[.]@|@[.-]|[.-]$|@.*(-[.]|[.]-|_)|@[^.]*$|@.*[^.]{64}`
	unfitLine  = `[\p{Zl}\p{Zp}\x{34f}\x{115f}\x{1160}\x{2800}\x{3164}\x{ffa0}]|[^\P{C}\x{200c}\x{200d}]|^\p{Z}|\p{Z}$|(^|[ -~])[\x{200c}\x{200d}]|[\x{200c}\x{200d}]([ -~]|$)`
	unfitText  = `[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`
)

var (
	emailForm = regexp.MustCompile(emailPattern)
	noEmail   = regexp.MustCompile(unfitEmail)
	noLine    = regexp.MustCompile(unfitLine)
	noText    = regexp.MustCompile(unfitText)

	changeTeamConfigs = []string{"anyone", "team_only"}
	reviewApproval    = []string{"anyone", "team_only", "admin_only"}
)

func validEmail(email string) bool {
	return len(email) <= maxEmail && emailForm.MatchString(email) && !noEmail.MatchString(email)
}

func validRole(role string) bool { return role != "" && line(role, maxRole) }

func validTeamName(name string) bool { return name != "" && line(name, maxTeamName) }

// line reports whether text is one visible line of at most so many characters.
func line(text string, length int) bool {
	return utf8.RuneCountInString(text) <= length && !noLine.MatchString(text)
}
