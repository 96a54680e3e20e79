package consolesim

import "time"

// Positions of [Behavior.DuplicateTeamNames].
const (
	NamesRefuse = "refuse" // 400
	NamesAllow  = "allow"  // a second team is created
)

// Positions of [Behavior.PatchOmitted].
const (
	OmittedKeep  = "keep"
	OmittedReset = "reset"
)

// Positions of [Behavior.RoleSpelling].
const (
	SpellingExact = "exact" // Admin, Read Only
	SpellingLower = "lower" // admin, read only
	SpellingKebab = "kebab" // admin, read-only
)

// Positions of [Behavior.AdminsAreMembers].
const (
	AdminsAsSent = "as-sent" // members are what was written
	AdminsYes    = "yes"     // every admin is listed among the members too
	AdminsNo     = "no"      // no admin is listed among the members
)

// Positions of [Behavior.UnknownMember].
const (
	UnknownRefuse = "refuse" // 400 naming the address
	UnknownDrop   = "drop"   // silently left out
	UnknownInvite = "invite" // invited with the project's default role
)

// Positions of [Behavior.Refusals].
const (
	RefusalsMessage = "message" // {"status": 400, "message": what is wrong}
	RefusalsErrors  = "errors"  // "Bad Request Exception", and what is wrong in errors[]
	RefusalsIndex   = "index"   // the same, with the place in a list instead of the address
)

// Positions of [Behavior.Count].
const (
	CountAll       = "all"
	CountMutations = "mutations" // POST, PATCH, PUT and DELETE
)

// Positions of [Behavior.RetryAfter].
const (
	RetryAfterSeconds = "seconds"
	RetryAfterDate    = "date"
	RetryAfterAbsent  = "absent"
)

// Behavior holds one switch for each point that the documentation leaves open.
// It is the same for all projects of a server and can be changed while the
// server runs. The JSON names are those of /_sim/behavior and of the program's
// --behavior flag.
type Behavior struct {
	// ListTeamsWithMembers (open question 1): entries of the list of teams
	// carry members and admins.
	ListTeamsWithMembers bool `json:"listTeamsWithMembers"`
	// CreateReturnsID (open question 2): the answer to create team has an id.
	CreateReturnsID bool `json:"createReturnsID"`
	// ListReturnsID (open question 2): entries of the list of teams have an id.
	ListReturnsID bool `json:"listReturnsID"`
	// DuplicateTeamNames (open question 3): NamesRefuse or NamesAllow, for
	// create and for rename.
	DuplicateTeamNames string `json:"duplicateTeamNames"`
	// PatchOmitted (open question 4): OmittedKeep or OmittedReset. The name of
	// a team is always kept.
	PatchOmitted string `json:"patchOmitted"`
	// RoleSpelling (open question 5): how Admin, Member, Read Only and Owner are
	// spelled in answers. Custom roles keep their spelling.
	RoleSpelling string `json:"roleSpelling"`
	// LowercaseEmails (open question 6): addresses in answers are lower-cased.
	LowercaseEmails bool `json:"lowercaseEmails"`
	// AdminsAreMembers (open question 7): AdminsAsSent, AdminsYes or AdminsNo;
	// it changes what is read, not what is stored.
	AdminsAreMembers string `json:"adminsAreMembers"`
	// ReorderLists (open question 8): members, admins, metrics and target
	// applications come back in reverse order.
	ReorderLists bool `json:"reorderLists"`
	// DropDuplicates (open question 8): repeated entries of these lists are
	// dropped when they are written.
	DropDuplicates bool `json:"dropDuplicates"`
	// UnknownMember (open question 9): UnknownRefuse, UnknownDrop or
	// UnknownInvite.
	UnknownMember string `json:"unknownMember"`
	// RefusedAddresses are refused in teams and invitations with 400, though they
	// may be users of the project; separated by commas.
	RefusedAddresses string `json:"refusedAddresses"`
	// Refusals: where a 400 says what is wrong, RefusalsMessage, RefusalsErrors
	// or RefusalsIndex. The contract has the message alone, and answers that
	// were published earlier had errors[].
	Refusals string `json:"refusals"`
	// UnknownRole is the status of a change of a user, or an invitation, that
	// names a role that does not exist: 400, or 404 with "Role not found".
	UnknownRole int `json:"unknownRole"`
	// DefaultPageSize is the items per page when the request names no limit.
	DefaultPageSize int `json:"defaultPageSize"`
	// MaxPageSize (open question 10) is the ceiling of limit, applied without
	// a word; 0: none.
	MaxPageSize int `json:"maxPageSize"`
	// MoveBetweenPages (open question 10): before that many more reads of a
	// second or later page, the first item of the list moves to its end, so
	// that a client reading page after page misses one item and sees another
	// twice. Each such read uses one up; negative: at every one.
	MoveBetweenPages int `json:"moveBetweenPages"`
	// OmitTotals: pagination has neither totalItems nor all.
	OmitTotals bool `json:"omitTotals"`
	// MissingDelete (open question 11): the status of DELETE of a missing
	// team, 404 or 200.
	MissingDelete int `json:"missingDelete"`
	// MissingGet (open question 11): the status of GET and PATCH of a missing
	// team, 404 or 400; the message is "Team not found".
	MissingGet int `json:"missingGet"`
	// StaleReads (open question 13): for this long after a write through the
	// API, reads show the state before it. Edits by hand show at once.
	StaleReads time.Duration `json:"staleReads"`

	// InvitesPending: an invited person appears among the users only once the
	// invitation is accepted ([Project.AcceptInvite]); otherwise at once.
	InvitesPending bool `json:"invitesPending"`
	// InvitedAgain is the status of an invitation of somebody who has one: 200,
	// or 400 or 409 with "has already been invited".
	InvitedAgain int `json:"invitedAgain"`
	// ReturnsUserID: users carry the optional userID.
	ReturnsUserID bool `json:"returnsUserID"`
	// EchoKey: the message of a 401 repeats the key that was sent, as the
	// published example suggests; otherwise a masked one.
	EchoKey bool `json:"echoKey"`
	// RequireVersion: a request without STATSIG-API-VERSION is refused.
	RequireVersion bool `json:"requireVersion"`

	// Count: which requests the windows count, CountAll or CountMutations. The
	// documentation says one on one page and the other on another.
	Count string `json:"count"`
	// EnforceWindows: a request over a window is answered 429; otherwise it is
	// only recorded.
	EnforceWindows bool `json:"enforceWindows"`
	// RejectedCount: a request answered 429 uses up the windows too.
	RejectedCount bool `json:"rejectedCount"`
	// RetryAfter is the form of that header in such a 429:
	// RetryAfterSeconds, RetryAfterDate or RetryAfterAbsent.
	RetryAfter string `json:"retryAfter"`
	// Latency delays every request before it takes effect.
	Latency time.Duration `json:"latency"`
}

// DefaultBehavior is the published contract, taken at its word; where it says
// nothing, the stricter position.
func DefaultBehavior() Behavior {
	return Behavior{
		ListTeamsWithMembers: true,
		CreateReturnsID:      true,
		ListReturnsID:        true,
		DuplicateTeamNames:   NamesRefuse,
		PatchOmitted:         OmittedKeep,
		RoleSpelling:         SpellingExact,
		AdminsAreMembers:     AdminsAsSent,
		UnknownMember:        UnknownRefuse,
		Refusals:             RefusalsMessage,
		UnknownRole:          400,
		DefaultPageSize:      100,
		MissingDelete:        404,
		MissingGet:           404,
		InvitesPending:       true,
		InvitedAgain:         200,
		ReturnsUserID:        true,
		EchoKey:              true,
		Count:                CountAll,
		EnforceWindows:       true,
		RetryAfter:           RetryAfterSeconds,
	}
}
