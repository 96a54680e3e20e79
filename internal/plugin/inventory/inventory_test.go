package inventory

import (
	"testing"
	"testing/synctest"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A team whose members the console refuses to show is left out only when a further
// listing lacks it; otherwise the inventory would lack a team that is there.
func TestRefusedTeamIsLeftOutOnlyIfGone(t *testing.T) {
	for _, status := range []int{404, 400} {
		for _, gone := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				sim := consolesim.New(consolesim.Options{Keys: []string{"console-key"}, Windows: []consolesim.Window{}})
				server := sim.InMemory()
				defer server.Close()
				limiter := quota.New(quota.Config{})
				defer limiter.Close()
				api, err := statsig.New(statsig.Config{Endpoint: server.URL, APIKey: "console-key", Limiter: limiter, Transport: server.Transport})
				if err != nil {
					t.Fatal(err)
				}
				if err := sim.SetBehavior(func(s *consolesim.Behavior) { s.ListTeamsWithMembers, s.MissingGet = false, status }); err != nil {
					t.Fatal(err)
				}
				sim.PutTeam(consolesim.Team{ID: "kept", Name: "kept"})
				sim.PutTeam(consolesim.Team{ID: "doubted", Name: "doubted"})
				deleted := false
				progress := func(what string, _, _ int) {
					if what == "members of teams" && !deleted && gone {
						deleted = true
						sim.RemoveTeam("doubted")
					}
				}
				// The first team is read before the second one goes.
				sim.Inject(consolesim.Fault{Endpoint: consolesim.GetTeam, PathPrefix: "/console/v1/users/teams/doubted", Effect: consolesim.EffectError,
					Status: status, ContentType: "application/json", Body: map[int]string{404: `{"status":404,"message":"No."}`, 400: `{"status":400,"message":"No."}`}[status]})
				inv, err := Read(t.Context(), api, progress)
				if gone && (err != nil || len(inv.Teams) != 1 || inv.Teams[0].ID != "kept") {
					t.Errorf("%d, gone: %+v, %v", status, inv, err)
				}
				if !gone && !console.Refused(err) {
					t.Errorf("%d, there: %+v, %v; want the refusal", status, inv, err)
				}
			})
		}
	}
}
