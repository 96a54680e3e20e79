package access

import (
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
)

// A claim to a person is found by the key that the view of the project has of them.
func TestClaimIsTheEmailKey(t *testing.T) {
	for _, email := range []string{"Ada@Example.com", "ada@example.com", "\u212aim@example.com", "\u0130da@example.com", "\u00c4nne@example.com", "\u017fam@x.io"} {
		obj := &v1alpha1.UserRole{Spec: v1alpha1.UserRoleSpec{Email: v1alpha1.EmailAddress(email)}}
		if claim, key := obj.Claim(), console.EmailKey(email); claim != key {
			t.Errorf("%q is claimed as %q, and known as %q", email, claim, key)
		}
	}
}
