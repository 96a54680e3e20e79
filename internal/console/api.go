// Package console is what a product console is to the reconcilers: users,
// teams, the calls that read and change them, errors classified once, and the
// shared view of a project that lets thousands of objects live off one listing.
//
// What is peculiar to one vendor's console stays in a package below this one.
package console

import (
	"context"
	"time"

	"github.com/console-access/console-access-operator/internal/quota"
)

// A User is a person in a console project.
type User struct {
	// ID is the console's own identifier; empty when the console does not tell.
	ID string
	// Email is the address as the console spells it. Compare with [SameEmail].
	Email               string
	FirstName, LastName string
	// Role is the role's name as the console spells it. Compare with [SameRole].
	Role string
}

// A UserChange names what to change of a user; a nil field is left alone.
type UserChange struct {
	Role, FirstName, LastName *string
}

// An Invitation asks people into a project.
type Invitation struct {
	Role   string
	Emails []string
}

// A Metric names a metric of the project, e.g. {"dau", "user"}.
type Metric struct {
	Name, Type string
}

// A Team is a team as observed in the console, or as it is to be written. When
// it is written every field is sent, so it must be whole.
type Team struct {
	// ID is the console's identifier; empty when the answer left it out.
	ID          string
	Name        string
	Description string
	// Members and Admins are e-mail addresses. They mean something only when
	// MembersKnown: listings may leave both out.
	Members, Admins []string
	MembersKnown    bool

	DefaultGateMetrics                []Metric
	DefaultExperimentPrimaryMetrics   []Metric
	DefaultExperimentSecondaryMetrics []Metric
	DefaultHoldoutMetrics             []Metric

	ChangeTeamConfigs         string
	ReviewApproval            string
	DefaultTargetApplications []string

	DefaultHoldoutID              *string
	RequireReviews                *bool
	RequireGateTemplates          *bool
	RequireExperimentTemplates    *bool
	RequireDynamicConfigTemplates *bool
}

// A Listing is everything a paged read brought home.
type Listing[T any] struct {
	Items []T
	// Complete is false when the pages contradicted each other, or there are
	// several and nothing to tell whether they add up, so that an item may have
	// moved between them unseen: absence from an incomplete listing means nothing.
	Complete bool
	// Digest tells which items there are, in whatever order; 0 when the pages
	// contradicted each other. Two readings in a row of one digest are complete:
	// what moved an item while one was read is gone from the next, or new in it.
	Digest uint64
	// Pages counts the requests it cost.
	Pages int
	// StartedAt is when the first page was asked for. The listing knows
	// nothing of what happened later.
	StartedAt time.Time
}

// API is a console project's calls. Every HTTP attempt pays the quota in the
// name of by. When by.Notify is set, a call whose turn has not come sends
// nothing and returns a [*quota.WaitError] at once; otherwise it blocks until
// its turn. Every other failure is an [*Error]. Each request runs the hooks of its
// context: [RunBeforeSend] before it is sent, [RunOnAnswer] with its outcome.
type API interface {
	// ListUsers reads every page of the project's users.
	ListUsers(ctx context.Context, by quota.Request) (Listing[User], error)
	// GetUser reads one user; [NotFound] when the person is not in the project.
	GetUser(ctx context.Context, by quota.Request, email string) (User, error)
	// UpdateUser changes a user and returns the console's answer.
	UpdateUser(ctx context.Context, by quota.Request, email string, change UserChange) (User, error)
	// Invite invites people; the console answers with nothing but success. That
	// a single person has an invitation already is success.
	Invite(ctx context.Context, by quota.Request, invitation Invitation) error

	// ListTeams reads every page of the project's teams. The items may lack
	// their members, and even their ids.
	ListTeams(ctx context.Context, by quota.Request) (Listing[Team], error)
	// GetTeam reads one team with its members. The console may answer
	// [Invalid] rather than [NotFound] for a team that does not exist.
	GetTeam(ctx context.Context, by quota.Request, id string) (Team, error)
	// CreateTeam creates a team. The answer may lack the id.
	CreateTeam(ctx context.Context, by quota.Request, team Team) (Team, error)
	// UpdateTeam replaces the definition of the team with that id.
	UpdateTeam(ctx context.Context, by quota.Request, id string, team Team) (Team, error)
	// DeleteTeam deletes a team; a team already gone may be [NotFound] or success.
	DeleteTeam(ctx context.Context, by quota.Request, id string) error
}

type beforeSendKey struct{}

// BeforeSend returns a context with which a call runs hook when its turn in the
// quota has come, right before the request is sent. An error of the hook stops
// the call and is returned. What must be recorded ahead of a write is recorded
// there: not earlier, while the write may never come, and not later.
func BeforeSend(ctx context.Context, hook func() error) context.Context {
	return context.WithValue(ctx, beforeSendKey{}, hook)
}

type onAnswerKey struct{}

// OnAnswer returns a context with which hook is called with the outcome of each
// request, before the quota lets others go on: what the answer means for them is
// known then.
func OnAnswer(ctx context.Context, hook func(error)) context.Context {
	return context.WithValue(ctx, onAnswerKey{}, hook)
}

// RunOnAnswer runs the context's hook. It is for implementations of [API].
func RunOnAnswer(ctx context.Context, err error) {
	if hook, ok := ctx.Value(onAnswerKey{}).(func(error)); ok {
		hook(err)
	}
}

// RunBeforeSend runs the context's hook. It is for implementations of [API].
func RunBeforeSend(ctx context.Context) error {
	if hook, ok := ctx.Value(beforeSendKey{}).(func() error); ok {
		return hook()
	}
	return nil
}

type whileCallingKey struct{}

// WhileCalling returns a context with which a call runs begin when its request is
// about to be sent, and what begin returned when the call is over.
func WhileCalling(ctx context.Context, begin func() (end func())) context.Context {
	return context.WithValue(ctx, whileCallingKey{}, begin)
}

// beginCall runs what [WhileCalling] says, and returns what is to be run in the
// end.
func beginCall(ctx context.Context) (end func()) {
	if begin, ok := ctx.Value(whileCallingKey{}).(func() func()); ok {
		return begin()
	}
	return func() {}
}
