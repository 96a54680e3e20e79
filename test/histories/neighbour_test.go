package histories

import (
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// The neighbour is another project whose console answers at once, whatever that
// of the first does.
const (
	neighbourConnection = "neighbour"
	neighbourKey        = "console-key-neighbour"
	neighbourNamespace  = "green"
)

// promptly is how soon an object of the neighbour is in sync. What a console
// leaves open may cost it a listing that shows its writes late.
const promptly = time.Minute

// neighbour makes the other project, and has objects applied there while the
// first project's console takes its time, or does not answer at all.
func (m *people) neighbour() {
	w := m.w
	for range 3 {
		w.after(w.between(0, w.plan.lasts), func() {
			w.net.outage, w.net.outageUntil = oneOf(w, netSlowly, netLost, netLost), w.now()+w.between(2*time.Minute, 8*time.Minute)
			w.note("until %v: %s", w.net.outageUntil, w.net.outage)
			w.tally.outages++
		})
	}
	for i := range 12 {
		w.after(time.Minute+w.between(0, w.plan.lasts), func() { m.applyNextDoor(i) })
	}
}

// settleNextDoor makes the connection and its project.
func (m *people) settleNextDoor() {
	w := m.w
	project := w.sim.AddProject(neighbourConnection, neighbourKey)
	windows := []consolesim.Window{{Requests: 1000, Per: 10 * time.Second}}
	project.SetWindows(windows...)
	for _, email := range insiders {
		project.PutUser(consolesim.User{Email: email, Role: consolesim.RoleMember})
	}
	project.PutUser(consolesim.User{Email: root, Role: consolesim.RoleAdmin})
	secret := &corev1.Secret{Data: map[string][]byte{"apiKey": []byte(neighbourKey)}}
	secret.Namespace, secret.Name = operatorNamespace, "key-neighbour"
	m.mustCreate(secret)
	c := &v1alpha1.ConsoleConnection{}
	c.Name = neighbourConnection
	c.Spec.Provider, c.Spec.Endpoint, c.Spec.APIKeySecretRef.Name = v1alpha1.ProviderStatsig, "https://console.test", secret.Name
	c.Spec.RateLimit.Share = 100
	c.Spec.RateLimit.Windows = []v1alpha1.RateLimitWindow{{Requests: 1000, Per: metav1.Duration{Duration: 10 * time.Second}}}
	c.Spec.Drift = v1alpha1.Drift{Policy: v1alpha1.DriftCorrect, Interval: metav1.Duration{Duration: time.Hour}}
	m.mustCreate(c)
	m.mustCreate(newNamespace(neighbourNamespace))
}

// applyNextDoor applies an object, and sees that it is in sync promptly.
func (m *people) applyNextDoor(i int) {
	w := m.w
	if w.calm || len(w.processes) == 0 {
		return
	}
	applied := w.now()
	var obj clientObject
	if i%3 == 0 {
		u := &v1alpha1.UserRole{}
		u.Spec.ConnectionRef.Name, u.Spec.Email, u.Spec.Role = neighbourConnection, v1alpha1.EmailAddress(insiders[i%len(insiders)]), consolesim.RoleReadOnly
		u.Spec.WhenMissing, u.Spec.DeletionPolicy, u.Spec.Mode = v1alpha1.WhenMissingWait, v1alpha1.UserRoleOrphan, v1alpha1.ModeEnforce
		obj = u
	} else {
		t := &v1alpha1.Team{}
		t.Spec.ConnectionRef.Name, t.Spec.Mode = neighbourConnection, v1alpha1.ModeEnforce
		t.Spec.Members = []v1alpha1.EmailAddress{root}
		t.Spec.AdoptionPolicy, t.Spec.DeletionPolicy = v1alpha1.AdoptionRefuse, v1alpha1.TeamDelete
		obj = t
	}
	obj.SetNamespace(neighbourNamespace)
	obj.SetName(fmt.Sprintf("next-door-%d", i))
	w.note("people apply %v", keyOf(obj))
	process := w.processes[0]
	m.mustCreate(obj)
	w.after(promptly, func() {
		now, there := w.kube.objects[keyOf(obj)].(v1alpha1.AccessObject)
		if !there || process.dead || process.ctx.Err() != nil {
			return
		}
		// It may wait for its own project's rate limit, such as after a lost record.
		reason, message, ready, _ := readyOf(now.Sync().Conditions, now.GetGeneration())
		if !ready && reason != v1alpha1.ReasonRateLimited {
			w.fail("%v was applied at %v in a project whose console answers at once, and is %q: %s", keyOf(obj), applied, reason, message)
		}
	})
}

// nextDoor reports whether a request goes to the neighbour.
func (x *exchange) nextDoor() bool { return keyIn(x.request) == neighbourKey }

func keyIn(r *http.Request) string { return r.Header.Get("STATSIG-API-KEY") }
