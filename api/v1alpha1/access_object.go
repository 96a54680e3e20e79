package v1alpha1

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// An AccessObject is a Team or a UserRole: something in the console that is
// kept through a connection.
// +kubebuilder:object:generate=false
type AccessObject interface {
	metav1.Object
	runtime.Object
	// ConnectionName is the name of the ConsoleConnection it goes through.
	ConnectionName() string
	// Claim is what no two objects of one project may both stand for.
	Claim() string
	// Suspended reports whether the spec suspends the object.
	Suspended() bool
	// StandsForSomething reports whether the status records something in the console
	// that another object can take over.
	StandsForSomething() bool
	// Inherit takes over what the status of another object of the kind records, as
	// far as nothing is recorded yet.
	Inherit(from AccessObject)
	// GiveUp has the status forget that the object stands for what it claims.
	GiveUp()
	// Sync is the part of the status that all kinds have.
	Sync() *SyncStatus
	// Differences is where the console differs from the spec.
	Differences() *[]FieldDiff
	// Journal is what the status tells of what was done in the console, which
	// nobody could find out anew.
	Journal() any
}

func connectionName(ref ConnectionReference) string {
	if ref.Name == "" {
		return "default"
	}
	return ref.Name
}

// ConnectionName implements [AccessObject].
func (t *Team) ConnectionName() string { return connectionName(t.Spec.ConnectionRef) }

// Claim implements [AccessObject]: the team's name in the console. It is the
// console package's NameKey of it.
func (t *Team) Claim() string { return strings.TrimSpace(t.ConsoleName()) }

// Sync implements [AccessObject].
func (t *Team) Sync() *SyncStatus { return &t.Status.SyncStatus }

// Differences implements [AccessObject].
func (t *Team) Differences() *[]FieldDiff { return &t.Status.Diff }

// Journal implements [AccessObject].
func (t *Team) Journal() any {
	return TeamStatus{ID: t.Status.ID, Adopted: t.Status.Adopted, CreateIntent: t.Status.CreateIntent}
}

// Suspended implements [AccessObject].
func (t *Team) Suspended() bool { return t.Spec.Suspend }

// StandsForSomething implements [AccessObject].
func (t *Team) StandsForSomething() bool { return t.Status.ID != "" }

// Inherit implements [AccessObject].
func (t *Team) Inherit(from AccessObject) {
	if former := from.(*Team); t.Status.ID == "" {
		t.Status.ID, t.Status.Adopted = former.Status.ID, former.Status.Adopted
	}
}

// GiveUp implements [AccessObject].
func (t *Team) GiveUp() {
	t.Status.ID, t.Status.Adopted, t.Status.SyncedGeneration = "", false, 0
}

// ConnectionName implements [AccessObject].
func (u *UserRole) ConnectionName() string { return connectionName(u.Spec.ConnectionRef) }

// Claim implements [AccessObject]: the address, which the case of ASCII letters
// does not distinguish. It is the console package's EmailKey of it.
func (u *UserRole) Claim() string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, string(u.Spec.Email))
}

// Sync implements [AccessObject].
func (u *UserRole) Sync() *SyncStatus { return &u.Status.SyncStatus }

// Differences implements [AccessObject].
func (u *UserRole) Differences() *[]FieldDiff { return &u.Status.Diff }

// Journal implements [AccessObject].
func (u *UserRole) Journal() any {
	return UserRoleStatus{PreviousRole: u.Status.PreviousRole, InvitedAt: u.Status.InvitedAt}
}

// Suspended implements [AccessObject].
func (u *UserRole) Suspended() bool { return u.Spec.Suspend }

// StandsForSomething implements [AccessObject].
func (u *UserRole) StandsForSomething() bool {
	return u.Status.PreviousRole != "" || u.Status.InvitedAt != nil
}

// Inherit implements [AccessObject].
func (u *UserRole) Inherit(from AccessObject) {
	former := from.(*UserRole)
	if u.Status.PreviousRole == "" {
		u.Status.PreviousRole = former.Status.PreviousRole
	}
	if u.Status.InvitedAt == nil {
		u.Status.InvitedAt = former.Status.InvitedAt.DeepCopy()
	}
}

// GiveUp implements [AccessObject].
func (u *UserRole) GiveUp() {
	u.Status.InvitedAt, u.Status.SyncedGeneration = nil, 0
}
