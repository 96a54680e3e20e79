package integration

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// manifest writes one of the kinds with some lines of spec.
func manifest(kind string, spec ...string) string {
	return fmt.Sprintf("apiVersion: console-access.dev/v1alpha1\nkind: %s\nmetadata: {name: refused}\nspec:\n  %s\n", kind, strings.Join(spec, "\n  "))
}

// TestBadInputIsRefused: what can only be wrong does not get into the cluster,
// and the refusal names the field.
func TestBadInputIsRefused(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	const user, connection = "UserRole", "ConsoleConnection"
	secret := "apiKeySecretRef: {name: x}"
	many := strings.Repeat("x", 300)
	for name, test := range map[string]struct {
		manifest string
		wants    []string
	}{
		"member without a host":         {manifest("Team", "members: [alan]"), []string{"spec.members[0]"}},
		"member with two at signs":      {manifest("Team", "members: [a@b@example.com]"), []string{"spec.members[0]"}},
		"member with a space":           {manifest("Team", `members: ["al an@example.com"]`), []string{"spec.members[0]"}},
		"member with a line break":      {manifest("Team", `members: ["alan@example.com\n"]`), []string{"spec.members[0]"}},
		"member without a domain":       {manifest("Team", "members: [alan@localhost]"), []string{"spec.members[0]"}},
		"member that is a path":         {manifest("Team", `members: ["../x@example.com"]`), []string{"spec.members[0]"}},
		"empty member":                  {manifest("Team", `members: [""]`), []string{"spec.members[0]"}},
		"member too long":               {manifest("Team", "members: ["+many+"@example.com]"), []string{"spec.members[0]"}},
		"member that is a number":       {manifest("Team", "members: [7]"), []string{"spec.members"}},
		"members that are no list":      {manifest("Team", "members: alan@example.com"), []string{"spec.members"}},
		"duplicate member":              {manifest("Team", "members: [alan@example.com, alan@example.com]"), []string{"spec.members", "uplicate"}},
		"duplicate admin":               {manifest("Team", "admins: [alan@example.com, alan@example.com]"), []string{"spec.admins", "uplicate"}},
		"empty team name":               {manifest("Team", `name: ""`), []string{"spec.name"}},
		"blank team name":               {manifest("Team", `name: "  "`), []string{"spec.name"}},
		"padded team name":              {manifest("Team", `name: " Growth"`), []string{"spec.name"}},
		"team name with a tab":          {manifest("Team", `name: "Gro\twth"`), []string{"spec.name"}},
		"team name too long":            {manifest("Team", "name: "+many), []string{"spec.name"}},
		"description too long":          {manifest("Team", "description: "+strings.Repeat("x", 5000)), []string{"spec.description"}},
		"unknown changeTeamConfigs":     {manifest("Team", "changeTeamConfigs: nobody"), []string{"spec.changeTeamConfigs", "anyone", "team_only"}},
		"unknown reviewApproval":        {manifest("Team", "reviewApproval: nobody"), []string{"spec.reviewApproval", "admin_only"}},
		"unknown adoptionPolicy":        {manifest("Team", "adoptionPolicy: Steal"), []string{"spec.adoptionPolicy", "Adopt"}},
		"unknown deletionPolicy":        {manifest("Team", "deletionPolicy: Keep"), []string{"spec.deletionPolicy", "Orphan"}},
		"unknown mode":                  {manifest("Team", "mode: Watch"), []string{"spec.mode", "Observe"}},
		"metric without a type":         {manifest("Team", "defaultGateMetrics: [{name: dau}]"), []string{"spec.defaultGateMetrics[0].type"}},
		"metric without a name":         {manifest("Team", "defaultGateMetrics: [{name: '', type: user}]"), []string{"spec.defaultGateMetrics[0].name"}},
		"empty application":             {manifest("Team", `defaultTargetApplications: [""]`), []string{"spec.defaultTargetApplications[0]"}},
		"duplicate application":         {manifest("Team", "defaultTargetApplications: [web, web]"), []string{"spec.defaultTargetApplications", "uplicate"}},
		"flag that is text":             {manifest("Team", `requireReviews: "yes"`), []string{"spec.requireReviews"}},
		"unknown field":                 {manifest("Team", "memberz: []"), []string{"spec.memberz"}},
		"empty connection name":         {manifest("Team", `connectionRef: {name: ""}`), []string{"spec.connectionRef.name"}},
		"no address":                    {manifest(user, "role: Member"), []string{"spec.email"}},
		"no role":                       {manifest(user, "email: alan@example.com"), []string{"spec.role"}},
		"empty role":                    {manifest(user, "email: alan@example.com", `role: ""`), []string{"spec.role"}},
		"padded role":                   {manifest(user, "email: alan@example.com", `role: "Member "`), []string{"spec.role"}},
		"malformed address":             {manifest(user, "email: alan@", "role: Member"), []string{"spec.email"}},
		"address with a slash":          {manifest(user, "email: a/b@example.com", "role: Member"), []string{"spec.email"}},
		"unknown whenMissing":           {manifest(user, "email: alan@example.com", "role: Member", "whenMissing: Ask"), []string{"spec.whenMissing", "Invite"}},
		"unknown end of a role":         {manifest(user, "email: alan@example.com", "role: Member", "deletionPolicy: Delete"), []string{"spec.deletionPolicy", "Restore"}},
		"first name too long":           {manifest(user, "email: alan@example.com", "role: Member", "firstName: "+many), []string{"spec.firstName"}},
		"no Secret":                     {manifest(connection, "provider: Statsig"), []string{"spec.apiKeySecretRef"}},
		"empty Secret name":             {manifest(connection, "apiKeySecretRef: {name: ''}"), []string{"spec.apiKeySecretRef.name"}},
		"unknown provider":              {manifest(connection, secret, "provider: Other"), []string{"spec.provider", "Statsig"}},
		"http to another host":          {manifest(connection, secret, "endpoint: http://statsigapi.net"), []string{"spec.endpoint", "allowInsecure"}},
		"http to a name like loopback":  {manifest(connection, secret, "endpoint: http://127.0.0.1.example.com"), []string{"spec.endpoint"}},
		"endpoint with a password":      {manifest(connection, secret, "endpoint: https://a:b@statsigapi.net"), []string{"spec.endpoint"}},
		"endpoint with a query":         {manifest(connection, secret, "endpoint: https://statsigapi.net/?x=y"), []string{"spec.endpoint"}},
		"endpoint of another kind":      {manifest(connection, secret, "endpoint: ftp://statsigapi.net"), []string{"spec.endpoint"}},
		"no windows":                    {manifest(connection, secret, "rateLimit: {windows: []}"), []string{"spec.rateLimit.windows"}},
		"window without requests":       {manifest(connection, secret, "rateLimit: {windows: [{per: 10s}]}"), []string{"spec.rateLimit.windows[0].requests"}},
		"window of no requests":         {manifest(connection, secret, "rateLimit: {windows: [{requests: 0, per: 10s}]}"), []string{"spec.rateLimit.windows[0].requests"}},
		"window of no length":           {manifest(connection, secret, "rateLimit: {windows: [{requests: 1, per: 0s}]}"), []string{"spec.rateLimit.windows[0].per"}},
		"window of nonsense":            {manifest(connection, secret, "rateLimit: {windows: [{requests: 1, per: soon}]}"), []string{"spec.rateLimit.windows[0].per"}},
		"share of more than everything": {manifest(connection, secret, "rateLimit: {share: 101}"), []string{"spec.rateLimit.share"}},
		"share of nothing":              {manifest(connection, secret, "rateLimit: {share: 0}"), []string{"spec.rateLimit.share"}},
		"unknown counts":                {manifest(connection, secret, "rateLimit: {counts: Some}"), []string{"spec.rateLimit.counts", "Mutations"}},
		"group that is no name":         {manifest(connection, secret, "rateLimit: {group: 'A B'}"), []string{"spec.rateLimit.group"}},
		"unknown drift policy":          {manifest(connection, secret, "drift: {policy: Fix}"), []string{"spec.drift.policy", "Report"}},
		"drift interval too short":      {manifest(connection, secret, "drift: {interval: 10ms}"), []string{"spec.drift.interval", "1s"}},
		"brake of a negative number":    {manifest(connection, secret, "deletionBrake: {maxDeletes: -1}"), []string{"spec.deletionBrake.maxDeletes"}},
		"brake over no time":            {manifest(connection, secret, "deletionBrake: {per: 0s}"), []string{"spec.deletionBrake.per", "1s"}},
		"selector that is missing":      {manifest(connection, secret, "allowedNamespaces: {from: Selector}"), []string{"spec.allowedNamespaces.selector"}},
		"selector that is not used":     {manifest(connection, secret, "allowedNamespaces: {from: All, selector: {}}"), []string{"spec.allowedNamespaces.selector"}},
		"protected nobody":              {manifest(connection, secret, "protectedUsers: [nobody]"), []string{"spec.protectedUsers[0]"}},
		"empty allowed role":            {manifest(connection, secret, `allowedRoles: [""]`), []string{"spec.allowedRoles[0]"}},
	} {
		err := e.TryApply(test.manifest)
		if err == nil {
			t.Errorf("%s: it was accepted", name)
			continue
		}
		for _, want := range test.wants {
			if !strings.Contains(strings.ReplaceAll(err.Error(), ".spec.", "spec."), want) {
				t.Errorf("%s: the refusal does not tell %q: %v", name, want, err)
			}
		}
	}
}

// TestGoodInputIsAccepted, which is near to what is refused.
func TestGoodInputIsAccepted(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	secret := "apiKeySecretRef: {name: x}"
	for name, text := range map[string]string{
		"unusual addresses":      manifest("Team", `members: ["o'neil+test@sub.example.co.uk", "A.B-C_d@EXAMPLE.com"]`),
		"a member who is admin":  manifest("Team", "members: [alan@example.com]", "admins: [alan@example.com]"),
		"empty lists":            manifest("Team", "members: []", "admins: []", "defaultGateMetrics: []"),
		"a name in any language": manifest("Team", "name: Wachstum & Größe (チーム)"),
		"an empty spec":          manifest("Team", "suspend: true"),
		"loopback over http":     manifest("ConsoleConnection", secret, "suspend: true", "endpoint: http://127.0.0.1:8787/prefix"),
		"loopback by name":       manifest("ConsoleConnection", secret, "suspend: true", "endpoint: http://localhost"),
		"loopback in IPv6":       manifest("ConsoleConnection", secret, "suspend: true", "endpoint: 'http://[::1]:8787'"),
		"http with permission":   manifest("ConsoleConnection", secret, "suspend: true", "endpoint: http://console.internal", "allowInsecure: true"),
	} {
		if err := e.TryApply(strings.Replace(text, "name: refused", "name: "+e.Namespace+"-accepted", 1)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestImmutableFields: who an object is about, and through which connection,
// cannot change under it.
func TestImmutableFields(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team, role := e.Team("growth", v1alpha1.TeamSpec{}), e.UserRole(alan, "Member")
	early := e.Team("early", v1alpha1.TeamSpec{Suspend: true})
	early.Spec.ConnectionRef.Name = "elsewhere"
	e.Create(team, role, early)
	e.WaitReady(team, role)
	for field, err := range map[string]error{
		"spec.connectionRef": harness.TryUpdate(e, team, func(team *v1alpha1.Team) { team.Spec.ConnectionRef.Name = "other" }),
		"connectionRef":      harness.TryUpdate(e, role, func(role *v1alpha1.UserRole) { role.Spec.ConnectionRef.Name = "other" }),
		"spec.email":         harness.TryUpdate(e, role, func(role *v1alpha1.UserRole) { role.Spec.Email = barbara }),
	} {
		if err == nil || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), "immutable") {
			t.Errorf("%s: %v, want it refused as immutable", field, err)
		}
	}
	// Of a team that is being created, the request was sent through it.
	intent := &v1alpha1.CreateIntent{Name: "early", Time: metav1.NowMicro()}
	harness.SetStatus(e, early, func(team *v1alpha1.Team) { team.Status.CreateIntent = intent })
	err := harness.TryUpdate(e, early, func(team *v1alpha1.Team) { team.Spec.ConnectionRef.Name = "other" })
	if err == nil || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("while it is being created: %v, want it refused as immutable", err)
	}
	harness.SetStatus(e, early, func(team *v1alpha1.Team) { team.Status.CreateIntent = nil })
	// And the invitation of a person who has not joined yet.
	invited := e.UserRole("new@example.com", "Member", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
	e.Create(invited)
	e.WaitReason(invited, v1alpha1.ReasonInvited)
	err = harness.TryUpdate(e, invited, func(role *v1alpha1.UserRole) { role.Spec.ConnectionRef.Name = "other" })
	if err == nil || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("while the person is invited: %v, want it refused as immutable", err)
	}
	// The spelling of an address may change, and so may the connection of what
	// was never synced.
	harness.Update(e, role, func(role *v1alpha1.UserRole) { role.Spec.Email = "Alan@Example.com" })
	harness.Update(e, early, func(team *v1alpha1.Team) {
		team.Spec.ConnectionRef.Name, team.Spec.Suspend = e.Connection.Name, false
	})
	e.WaitReady(role, early)
	e.WantWrites(0, "createTeam", "inviteUsers", "createTeam")
}
