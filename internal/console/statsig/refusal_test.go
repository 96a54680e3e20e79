package statsig

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// A refusal tells which of the addresses that were sent it is about, and says what
// is wrong in the words of the console, wherever it has them.
func TestRefusedAddressesAreFound(t *testing.T) {
	const bad = `{"status":400,"message":"Bad Request Exception","errors":[%s]}`
	for _, tt := range []struct {
		name, body string
		want       []string
		text       string
	}{
		{"in a sentence", `{"status":400,"message":"joann@example.com is not a user of this project."}`, []string{"joann@example.com"}, "is not a user"},
		{"several, quoted", `{"status":400,"message":"Unknown: 'JOANN@example.com', <ann@example.com>."}`, []string{"Ann@example.com", "joann@example.com"}, "Unknown"},
		{"at the end", `{"status":400,"message":"Not in the project: ann@example.com"}`, []string{"Ann@example.com"}, "Not in"},
		{"parts of others", `{"status":400,"message":"ann@example.com.au, x-ann@example.com and o'ann@example.com are unknown"}`, nil, "unknown"},
		{"one with a quotation mark", `{"status":400,"message":"o'neil@example.com is unknown."}`, []string{"o'neil@example.com"}, "unknown"},
		{"the message is cut", `{"status":400,"message":"` + strings.Repeat("x", 400) + ` ann@example.com"}`, []string{"Ann@example.com"}, "xxx"},
		{"none", `{"status":400,"message":"no such metric"}`, nil, "no such metric"},
		{"by name in the details", fmt.Sprintf(bad, `{"property":"members","errorMessage":"ann@example.com cannot be in a team"}`),
			[]string{"Ann@example.com"}, "Bad Request Exception; members: ann@example.com cannot be in a team"},
		{"by place", fmt.Sprintf(bad, `{"property":"members.1","errorMessage":"Invalid email"},{"property":"admins.0","errorMessage":"Invalid email"}`),
			[]string{"o'neil@example.com", "joann@example.com"}, "members.1: Invalid email; admins.0: Invalid email"},
		{"by place in brackets", fmt.Sprintf(bad, `{"property":"members[1]","errorMessage":"Invalid email"}`), []string{"o'neil@example.com"}, "members[1]"},
		{"by place of nobody", fmt.Sprintf(bad, `{"property":"members.7","errorMessage":"Invalid email"},{"property":"members.-1"},{"property":"members.01"}`), nil, "members.7"},
		{"details of other sorts", fmt.Sprintf(bad, `7,null,"x",{"property":1},{"errorMessage":"reviewApproval is unknown"}`), nil, "reviewApproval is unknown"},
		{"details that are no list", `{"status":400,"message":"Bad Request Exception","errors":{"members":"bad"}}`, nil, "Bad Request Exception"},
		{"more details than are shown", fmt.Sprintf(bad, strings.TrimSuffix(strings.Repeat(`{"property":"name","errorMessage":"m"},`, 9), ",")), nil, "name: m; 4 more"},
		{"not the console", `{"message":"ann@example.com is blocked"}`, nil, "not the console's own"},
	} {
		team := console.Team{Name: "T", MembersKnown: true, Members: []string{"Ann@example.com", "o'neil@example.com"}, Admins: []string{"joann@example.com"}}
		c := serve(t, answer(400, tt.body))
		_, created := c.CreateTeam(t.Context(), byAnyone, team)
		_, updated := c.UpdateTeam(t.Context(), byAnyone, "t1", team)
		for _, err := range []error{created, updated} {
			e, ok := console.AsError(err)
			if !ok || !slices.Equal(e.Rejected, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: rejected %q, want %q; says %v, want %q", tt.name, e.Rejected, tt.want, err, tt.text)
			}
		}
	}
}

// That there is an invitation already is what an invitation is for; that somebody
// is in the project already is something else.
func TestInvitedAlready(t *testing.T) {
	for _, tt := range []struct {
		status int
		text   string
		class  console.Class
	}{
		{400, "ada@example.com has already been invited.", ""},
		{409, "An invitation to ada@example.com already exists", ""},
		{409, "User already invited", ""},
		{400, "ada@example.com is already a member of this project.", console.Invalid},
		{409, "Conflict", console.Invalid},
		{403, "already invited", console.Forbidden},
	} {
		c := serve(t, answer(tt.status, fmt.Sprintf(`{"status":%d,"message":%q}`, tt.status, tt.text)))
		err := c.Invite(t.Context(), byAnyone, console.Invitation{Role: "Member", Emails: []string{"ada@example.com"}})
		if console.ClassOf(err) != tt.class || (err == nil) != (tt.class == "") {
			t.Errorf("%d %s: %v", tt.status, tt.text, err)
		}
		// Of several people one may be invited and the others not.
		err = c.Invite(t.Context(), byAnyone, console.Invitation{Role: "Member", Emails: []string{"ada@example.com", "bob@example.com"}})
		if err == nil {
			t.Errorf("%d %s: two people count as invited", tt.status, tt.text)
		}
	}
}

// The simulated console refuses in every form that is known, and each is found.
func TestRefusalForms(t *testing.T) {
	for _, form := range []string{consolesim.RefusalsMessage, consolesim.RefusalsErrors, consolesim.RefusalsIndex} {
		sim, c := simulate(t)
		err := sim.SetBehavior(func(b *consolesim.Behavior) { b.Refusals, b.RefusedAddresses = form, "bob@example.com" })
		if err != nil {
			t.Fatal(err)
		}
		for _, email := range []string{"ada@example.com", "bob@example.com"} {
			sim.PutUser(consolesim.User{Email: email})
		}
		_, err = c.CreateTeam(t.Context(), byAnyone, wholeTeam())
		if e, _ := console.AsError(err); e == nil || e.Class != console.Invalid || !slices.Equal(e.Rejected, []string{"bob@example.com"}) {
			t.Errorf("%s: create team: %v", form, err)
		}
		err = c.Invite(t.Context(), byAnyone, console.Invitation{Role: "Member", Emails: []string{"eve@example.com", "bob@example.com"}})
		if e, _ := console.AsError(err); e == nil || !slices.Equal(e.Rejected, []string{"bob@example.com"}) {
			t.Errorf("%s: invite: %v", form, err)
		}
	}
}
