package export

import (
	"regexp"
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

	emailPattern = `^[A-Za-z0-9.!#$&'*+=?^_{|}~-]+@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$`
	namePattern  = `^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$`
)

var (
	emailForm = regexp.MustCompile(emailPattern)
	nameForm  = regexp.MustCompile(namePattern)

	changeTeamConfigs = []string{"anyone", "team_only"}
	reviewApproval    = []string{"anyone", "team_only", "admin_only"}
)

func validEmail(email string) bool { return len(email) <= maxEmail && emailForm.MatchString(email) }

func validRole(role string) bool { return fits(role, maxRole) }

func validTeamName(name string) bool { return fits(name, maxTeamName) }

func fits(name string, length int) bool {
	return len([]rune(name)) <= length && nameForm.MatchString(name)
}
