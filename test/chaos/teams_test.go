package chaos

import (
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/chaos/audit"
)

// massDeletion is how many Teams are deleted at once, which is more than the
// brake lets pass.
const massDeletion = brakeDeletes + 4

// fleetingLife is how long a Team lives at most that is deleted at once.
const fleetingLife = 600 * time.Millisecond

// teamName returns a name that no Team has: a new one, or one that was given up.
func (p *program) teamName() string {
	if len(p.freed) > 0 && p.some(40) {
		i := p.rng.IntN(len(p.freed))
		name := p.freed[i]
		p.freed = slices.Delete(p.freed, i, i+1)
		return name
	}
	p.names++
	return fmt.Sprintf("Team %d", p.names)
}

// fleeting creates a Team and deletes it while it is being made.
func (p *program) fleeting() {
	s := p.applyTeam()
	if s == nil {
		return
	}
	pause(p.c.t.Context(), time.Duration(p.rng.Int64N(int64(fleetingLife))))
	remove(p, s.obj, s.life)
	p.done["deletions"]++
}

// applyTeam creates a Team in a free slot, which it returns.
func (p *program) applyTeam() *teamSlot {
	for _, i := range p.rng.Perm(len(p.teams)) {
		s := p.teams[i]
		if s.obj != nil && (s.life.Deleted.IsZero() || !gone(p, s.life)) {
			continue
		}
		if s.obj != nil && s.obj.Spec.DeletionPolicy != v1alpha1.TeamOrphan {
			p.freed = append(p.freed, s.obj.ConsoleName())
		}
		s.obj.Spec = p.teamSpec()
		s.obj.Spec.Name = p.teamName()
		p.createTeam(s)
		return s
	}
	return nil
}

// createTeam creates a slot's Team as its obj says.
func (p *program) createTeam(s *teamSlot) {
	obj := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: s.obj.Namespace, Name: s.obj.Name}, Spec: s.obj.Spec}
	s.obj, s.formers = obj, nil
	s.life = p.c.ledger.Team(p.key(s).String(), obj.Spec)
	p.c.watcher.teams.follow(p.key(s).String(), s.life)
	p.c.e.Create(obj)
	p.c.ledger.Note(func() { s.life.Specs[0].Applied = time.Now() })
	p.done["applies"]++
}

// changeTeam applies a change to a Team's spec.
func (p *program) changeTeam(s *teamSlot, change func(*v1alpha1.TeamSpec)) {
	change(&s.obj.Spec)
	want := *s.obj.Spec.DeepCopy()
	p.c.ledger.Note(func() {
		s.life.Specs = append(s.life.Specs, audit.Spec[v1alpha1.TeamSpec]{Since: time.Now(), Spec: want})
	})
	patch(p, s.obj, func(t *v1alpha1.Team) { t.Spec = *want.DeepCopy() })
	p.c.ledger.Note(func() { s.life.Specs[len(s.life.Specs)-1].Applied = time.Now() })
}

func (p *program) editTeam() {
	s := p.aliveTeam(true)
	if s == nil {
		return
	}
	other := p.teamSpec()
	p.changeTeam(s, func(spec *v1alpha1.TeamSpec) {
		for range 1 + p.rng.IntN(3) {
			switch p.rng.IntN(8) {
			case 0, 1, 2:
				spec.Members = other.Members
			case 3:
				spec.Admins = other.Admins
			case 4:
				spec.Description = other.Description
			case 5:
				spec.DefaultGateMetrics, spec.DefaultTargetApplications = other.DefaultGateMetrics, other.DefaultTargetApplications
			case 6:
				spec.ChangeTeamConfigs, spec.RequireReviews = other.ChangeTeamConfigs, other.RequireReviews
			case 7:
				if !s.fixed {
					spec.DeletionPolicy = other.DeletionPolicy
				}
			}
		}
	})
	p.done["edits"]++
}

func (p *program) renameTeam() {
	s := p.aliveTeam(false)
	if s == nil {
		return
	}
	former := s.obj.ConsoleName()
	name := p.teamName()
	p.changeTeam(s, func(spec *v1alpha1.TeamSpec) { spec.Name = name })
	s.formers = append(s.formers, former)
	p.freed = append(p.freed, former)
	p.done["renames"]++
}

// keepsName reports whether a Team would leave its team under a name that was
// given up: it is an orphan, and the console has not been told of its last name.
func (p *program) keepsName(s *teamSlot) bool {
	if s.obj.Spec.DeletionPolicy != v1alpha1.TeamOrphan || len(s.formers) == 0 {
		return false
	}
	known, renamed := map[string]bool{}, false
	p.c.ledger.Note(func() { known = maps.Clone(s.life.IDs) })
	for _, team := range p.c.e.Sim.Snapshot().Teams {
		renamed = renamed || known[team.ID] && team.Name == s.obj.ConsoleName()
	}
	return !renamed
}

func (p *program) deleteTeam() {
	if s := p.aliveTeam(false); s != nil && !p.keepsName(s) {
		remove(p, s.obj, s.life)
		p.done["deletions"]++
	}
}

// deleteMany deletes more Teams at once than the brake lets pass.
func (p *program) deleteMany() {
	for range massDeletion {
		p.deleteTeam()
	}
	p.done["mass deletions"]++
}

// editMany edits a third of everything at once, which fills the windows.
func (p *program) editMany() {
	for range len(p.roles) / 3 {
		p.editRole()
	}
	for range len(p.teams) / 3 {
		p.editTeam()
	}
	p.done["mass edits"]++
}

// teamSpec draws a spec but for the name: of each field, whether it is managed, and how.
func (p *program) teamSpec() v1alpha1.TeamSpec {
	spec := v1alpha1.TeamSpec{}
	spec.ConnectionRef.Name = p.c.e.Connection.Name
	metrics := func() []v1alpha1.Metric {
		list := []v1alpha1.Metric{}
		for i := range p.rng.IntN(4) {
			list = append(list, v1alpha1.Metric{Name: fmt.Sprintf("metric %d", i*10+p.rng.IntN(10)), Type: "event_count"})
		}
		return list
	}
	flag := func() *bool { b := p.some(50); return &b }
	if p.some(85) {
		spec.Members = p.people(6)
	}
	if p.some(50) {
		spec.Admins = p.people(3)
	}
	if p.some(50) {
		text := fmt.Sprintf("described %d", p.rng.IntN(1000))
		spec.Description = &text
	}
	if p.some(40) {
		spec.DefaultGateMetrics = metrics()
	}
	if p.some(20) {
		spec.DefaultExperimentPrimaryMetrics, spec.DefaultExperimentSecondaryMetrics = metrics(), metrics()
	}
	if p.some(20) {
		spec.DefaultHoldoutMetrics = metrics()
	}
	if p.some(40) {
		spec.ChangeTeamConfigs = pick(p.rng, []string{"anyone", "team_only"})
	}
	if p.some(40) {
		spec.ReviewApproval = pick(p.rng, []string{"anyone", "team_only", "admin_only"})
	}
	if p.some(30) {
		spec.DefaultTargetApplications = []string{"web", fmt.Sprintf("app %d", p.rng.IntN(10))}
	}
	if p.some(20) {
		id := fmt.Sprintf("holdout-%d", p.rng.IntN(10))
		spec.DefaultHoldoutID = &id
	}
	if p.some(30) {
		spec.RequireReviews, spec.RequireGateTemplates = flag(), flag()
	}
	if p.some(20) {
		spec.RequireExperimentTemplates, spec.RequireDynamicConfigTemplates = flag(), flag()
	}
	spec.DeletionPolicy = pick(p.rng, []v1alpha1.TeamDeletionPolicy{"", "", v1alpha1.TeamDelete, v1alpha1.TeamOrphan})
	return spec
}

// people draws up to so many different addresses, which may be none.
func (p *program) people(most int) []v1alpha1.EmailAddress {
	all := p.c.everybody()
	list := []v1alpha1.EmailAddress{}
	for range p.rng.IntN(most + 1) {
		email := v1alpha1.EmailAddress(pick(p.rng, all))
		if !slices.Contains(list, email) {
			list = append(list, email)
		}
	}
	return list
}
