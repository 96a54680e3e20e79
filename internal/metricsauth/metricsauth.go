// Package metricsauth guards the metrics endpoint: only a caller whose bearer
// token the Kubernetes API accepts (TokenReview), and whom it lets "get" the
// path (SubjectAccessReview on a nonResourceURL), is served.
//
// controller-runtime has a filter of the same behaviour in pkg/metrics/filters.
// That one is built from k8s.io/apiserver's delegating authenticator and
// authorizer, which link the API server's library, CEL and gRPC: some 250
// packages for two POST requests. The two requests, and a small cache before
// them, are all there is here.
package metricsauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	// allowTTL is how long a granted access is remembered: how long a revoked
	// one may still be used.
	allowTTL = time.Minute
	// denyTTL is how long a refusal is remembered: how long a new grant may
	// take to show.
	denyTTL = 10 * time.Second
	// reviewTimeout bounds both reviews of one request together.
	reviewTimeout = 10 * time.Second
	// maxEntries bounds the cache, since anybody can send new tokens.
	maxEntries = 1024
)

// FilterProvider makes the filter from the manager's connection to the
// Kubernetes API. It is a value for [metricsserver.Options.FilterProvider].
//
// The filter answers 401 when the token is missing or not accepted, 403 when
// its owner may not get the path, and 500 when the reviews cannot be made.
// Answers are remembered for a minute when access was granted and for ten
// seconds when it was not; failed reviews are not remembered.
//
// The operator needs to create tokenreviews.authentication.k8s.io and
// subjectaccessreviews.authorization.k8s.io; a reader of the metrics needs the
// verb get on the nonResourceURL /metrics.
func FilterProvider(config *rest.Config, client *http.Client) (metricsserver.Filter, error) {
	g, err := newGuard(config, client)
	if err != nil {
		return nil, err
	}
	return g.filter, nil
}

func newGuard(config *rest.Config, client *http.Client) (*guard, error) {
	authentication, err := authenticationclient.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("make a client for token reviews: %w", err)
	}
	authorization, err := authorizationclient.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("make a client for access reviews: %w", err)
	}
	return &guard{
		tokens:   authentication.TokenReviews(),
		accesses: authorization.SubjectAccessReviews(),
		cache:    cache{now: time.Now, entries: map[request]entry{}},
	}, nil
}

// A request is what a verdict depends on. It holds a hash, so that a dump of
// the cache gives no token away.
type request struct {
	tokenHash  [sha256.Size]byte
	verb, path string
}

// A verdict is the HTTP status that a request deserves, and whose it was.
type verdict struct {
	status int
	user   string
}

type guard struct {
	tokens   authenticationclient.TokenReviewInterface
	accesses authorizationclient.SubjectAccessReviewInterface
	cache    cache
}

func (g *guard) filter(log logr.Logger, next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := bearerToken(r)
		if token == "" {
			unauthorized(w, "send a bearer token of a service account that may get "+r.URL.Path)
			return
		}
		req := request{sha256.Sum256([]byte(token)), strings.ToLower(r.Method), r.URL.Path}
		v, err := g.decide(r.Context(), token, req)
		if err != nil {
			log.Error(err, "Cannot check who asks for metrics", "path", req.path)
			http.Error(w, "cannot check the token now; the operator's log says why", http.StatusInternalServerError)
			return
		}
		switch v.status {
		case http.StatusOK:
			next.ServeHTTP(w, r)
		case http.StatusForbidden:
			http.Error(w, fmt.Sprintf("%s may not %s %s; bind it to a ClusterRole with that nonResourceURL",
				v.user, req.verb, req.path), http.StatusForbidden)
		default:
			unauthorized(w, "the Kubernetes API does not accept this token")
		}
	}), nil
}

func unauthorized(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, message, http.StatusUnauthorized)
}

// bearerToken returns the token of the Authorization header (RFC 6750, section
// 2.1), or "" when there is none.
func bearerToken(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func (g *guard) decide(ctx context.Context, token string, req request) (verdict, error) {
	if v, ok := g.cache.get(req); ok {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	v, err := g.review(ctx, token, req)
	if err != nil {
		return verdict{}, err
	}
	g.cache.put(req, v)
	return v, nil
}

func (g *guard) review(ctx context.Context, token string, req request) (verdict, error) {
	who, err := g.tokens.Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token},
	}, metav1.CreateOptions{})
	if err != nil {
		return verdict{}, fmt.Errorf("review the token: %w", err)
	}
	if !who.Status.Authenticated {
		return verdict{status: http.StatusUnauthorized}, nil
	}
	user := who.Status.User
	extra := make(map[string]authorizationv1.ExtraValue, len(user.Extra))
	for k, v := range user.Extra {
		extra[k] = authorizationv1.ExtraValue(v)
	}
	may, err := g.accesses.Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user.Username, UID: user.UID, Groups: user.Groups, Extra: extra,
			NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: req.path, Verb: req.verb},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return verdict{}, fmt.Errorf("review the access of %s: %w", user.Username, err)
	}
	switch {
	case may.Status.Allowed:
		return verdict{http.StatusOK, user.Username}, nil
	case may.Status.EvaluationError != "" && !may.Status.Denied:
		return verdict{}, fmt.Errorf("review the access of %s: %w", user.Username, errors.New(may.Status.EvaluationError))
	default:
		return verdict{http.StatusForbidden, user.Username}, nil
	}
}
