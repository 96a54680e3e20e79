package team

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// FuzzCreateIntent has a new process find any record of an attempt to create a
// team beside any team in the console. However old the record is and whatever
// it says, it is stored and read the same, there is one team of the name in the
// end, and a team that is known to be somebody else's stays as it is.
func FuzzCreateIntent(f *testing.F) {
	f.Add("compilers", "compilers", "somebody", int64(-5), false, false)
	f.Add("compilers", "Compilers", "", int64(0), true, false)
	f.Add("compilers", "compilers", "by-hand", int64(1<<40), true, true)
	f.Add("", "../x", "\x00", int64(-1<<62), true, true)
	f.Add("\u202e", "e\u0301", "é", int64(1), false, true)
	f.Fuzz(func(t *testing.T, intended, there, known string, seconds int64, exists, ours bool) {
		// As the API server has it: no JSON holds other bytes than UTF-8.
		intended, known = strings.ToValidUTF8(intended, "\ufffd"), strings.ToValidUTF8(known, "\ufffd")
		intent := &v1alpha1.CreateIntent{Name: intended, Time: metav1.NewMicroTime(time.Unix(seconds%(1<<33), 0)), KnownIDs: []string{known}}
		stored, err := json.Marshal(intent)
		if err != nil {
			t.Fatal(err)
		}
		var back v1alpha1.CreateIntent
		if err := json.Unmarshal(stored, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(stored) || !back.Time.Equal(&intent.Time) {
			t.Errorf("%s is read and stored as %s: %v", stored, again, err)
		}
		inBubble(t, func(t *testing.T, b *bench) {
			if there == "" {
				there = intended
			}
			before := consolesim.Team{ID: "by-hand", Name: there, Members: []string{grace}}
			if exists && there != "" {
				b.sim.PutTeam(before)
			}
			if ours {
				back.KnownIDs = nil
			} else {
				back.KnownIDs = append(back.KnownIDs, "by-hand")
			}
			team := object("compilers", func(team *v1alpha1.Team) {
				team.Spec.Members = emails(ada)
				team.Status.CreateIntent = back.DeepCopy()
			})
			b.apply(t, team)
			for range 30 {
				b.once(t, "compilers")
				time.Sleep(5 * time.Second)
			}
			got := b.get(t, "compilers")
			if got.Status.CreateIntent != nil {
				t.Errorf("after minutes the intent is still there: %+v", got.Status)
			}
			teams := b.sim.TeamsNamed("compilers")
			if len(teams) != 1 {
				t.Errorf("%d teams of the name: %+v", len(teams), teams)
			}
			for _, team := range b.sim.Teams() {
				if team.ID == "by-hand" && !ours && !reflect.DeepEqual(team.Members, before.Members) {
					t.Errorf("somebody else's team is now %+v", team)
				}
			}
		})
	})
}
