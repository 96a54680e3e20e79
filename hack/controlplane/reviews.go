package main

import (
	"context"
	"fmt"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// adminUser is whom the fixed token stands for.
var adminUser = &user.DefaultInfo{
	Name:   "admin",
	Groups: []string{user.SystemPrivilegedGroup, user.AllAuthenticated},
}

// reviewREST serves a kind that is answered and never stored.
type reviewREST struct {
	newFunc  func() runtime.Object
	singular string
	// answer fills in the status of the review.
	answer func(ctx context.Context, obj runtime.Object) error
}

var (
	_ rest.Creater              = reviewREST{}
	_ rest.Scoper               = reviewREST{}
	_ rest.SingularNameProvider = reviewREST{}
)

func (r reviewREST) New() runtime.Object     { return r.newFunc() }
func (r reviewREST) Destroy()                {}
func (r reviewREST) NamespaceScoped() bool   { return false }
func (r reviewREST) GetSingularName() string { return r.singular }

func (r reviewREST) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	if validate != nil {
		if err := validate(ctx, obj.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	if err := r.answer(ctx, obj); err != nil {
		return nil, err
	}
	return obj, nil
}

// newTokenReviews says whom a token stands for.
func newTokenReviews(tokens authenticator.Token) reviewREST {
	return reviewREST{
		newFunc:  func() runtime.Object { return &authenticationv1.TokenReview{} },
		singular: "tokenreview",
		answer: func(ctx context.Context, obj runtime.Object) error {
			review := obj.(*authenticationv1.TokenReview)
			if review.Spec.Token == "" {
				return apierrors.NewBadRequest("spec.token is required: set the token to be reviewed")
			}
			review.Status = authenticationv1.TokenReviewStatus{}
			response, ok, err := tokens.AuthenticateToken(ctx, review.Spec.Token)
			if err != nil {
				return fmt.Errorf("authenticate the token of the review: %w", err)
			}
			if ok {
				review.Status.Authenticated = true
				review.Status.User = authenticationv1.UserInfo{
					Username: response.User.GetName(),
					UID:      response.User.GetUID(),
					Groups:   response.User.GetGroups(),
				}
			}
			return nil
		},
	}
}

// newSubjectAccessReviews says what the user named in the review may do.
func newSubjectAccessReviews() reviewREST {
	return reviewREST{
		newFunc:  func() runtime.Object { return &authorizationv1.SubjectAccessReview{} },
		singular: "subjectaccessreview",
		answer: func(_ context.Context, obj runtime.Object) error {
			review := obj.(*authorizationv1.SubjectAccessReview)
			review.Status = accessOf(review.Spec.Groups)
			return nil
		},
	}
}

// newSelfSubjectAccessReviews says what the caller may do, for kubectl auth can-i.
func newSelfSubjectAccessReviews() reviewREST {
	return reviewREST{
		newFunc:  func() runtime.Object { return &authorizationv1.SelfSubjectAccessReview{} },
		singular: "selfsubjectaccessreview",
		answer: func(ctx context.Context, obj runtime.Object) error {
			caller, ok := request.UserFrom(ctx)
			if !ok {
				return apierrors.NewBadRequest("no user is known for this request")
			}
			obj.(*authorizationv1.SelfSubjectAccessReview).Status = accessOf(caller.GetGroups())
			return nil
		},
	}
}

// accessOf is the one rule of this server, the same as its authorizer's: the
// members of system:masters may do everything, nobody else anything.
func accessOf(groups []string) authorizationv1.SubjectAccessReviewStatus {
	if slices.Contains(groups, user.SystemPrivilegedGroup) {
		return authorizationv1.SubjectAccessReviewStatus{Allowed: true}
	}
	return authorizationv1.SubjectAccessReviewStatus{Reason: "only members of " + user.SystemPrivilegedGroup + " have access"}
}
