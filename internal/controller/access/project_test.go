package access

import (
	"context"
	"maps"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
)

func connected(name, endpoint, secret, group, told string) *v1alpha1.ConsoleConnection {
	c := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.Spec.Endpoint, c.Spec.APIKeySecretRef.Name, c.Spec.RateLimit.Group = endpoint, secret, group
	if told != "" {
		c.Status.Quota = &v1alpha1.QuotaStatus{Group: told}
	}
	return c
}

// TestPeers: connections with the same endpoint and Secret, with equal keys, or
// of one group lead to one project, and so does whatever is linked by them.
func TestPeers(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	const statsig, other = "https://statsigapi.net", "https://console.example.com"
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		connected("alone", statsig, "alone", "", "auto-alone"),
		connected("secret-1", statsig, "shared", "", ""),
		connected("secret-2", statsig+"/", "shared", "", "auto-2"),
		connected("elsewhere", other, "shared", "", ""),
		connected("digest", statsig, "copied", "", "auto-2"),
		connected("opened", statsig, "copied again", "", "auto-former"),
		connected("group-1", statsig, "g1", "growth", "auto-alone-no-more"),
		connected("group-2", statsig, "g2", "growth", ""),
		connected("group-3", statsig, "g2", "", ""),
	).Build()
	d := &Desk{Client: c, Links: &Registry{}}
	d.Links.Set("opened", &Link{KeyDigest: "auto-2"})
	d.Links.Set("group-1", &Link{KeyDigest: "auto-g1"})
	projects := [][]string{
		{"alone"}, {"elsewhere"}, {"digest", "opened", "secret-1", "secret-2"}, {"group-1", "group-2", "group-3"}, {"there is none"},
	}
	for _, project := range projects {
		for _, name := range project {
			peers, err := d.Peers(context.Background(), name)
			if got := slices.Sorted(maps.Keys(peers)); err != nil || !slices.Equal(got, project) {
				t.Errorf("the peers of %s are %v, %v; want %v", name, got, err, project)
			}
			if key := peers.Key(); key != project[0] {
				t.Errorf("the project of %s is %q", name, key)
			}
		}
	}
}

// A claim to a name is found by the key that the view of the project has of it.
func TestClaimIsTheNameKey(t *testing.T) {
	for _, name := range []string{"Growth", " Growth ", "Growth\u00a0", "Growth\u2003", "a  b", "\u0130"} {
		obj := &v1alpha1.Team{Spec: v1alpha1.TeamSpec{Name: name}}
		if claim, key := obj.Claim(), console.NameKey(name); claim != key {
			t.Errorf("%q is claimed as %q, and known as %q", name, claim, key)
		}
	}
}
