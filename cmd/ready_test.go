package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
)

// slowAPI is a Kubernetes API without namespaces that answers once it may. A
// list comes as such, or as a watch that ends its initial events.
func slowAPI(t *testing.T, may <-chan struct{}) *rest.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-may:
		case <-r.Context().Done():
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("watch") == "" {
			fmt.Fprint(w, `{"kind":"NamespaceList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`)
			return
		}
		fmt.Fprint(w, `{"type":"BOOKMARK","object":{"kind":"Namespace","apiVersion":"v1","metadata":{`+
			`"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func TestReadyOnceTheCachesAreFilled(t *testing.T) {
	may := make(chan struct{})
	scheme := newScheme()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	c, err := cache.New(slowAPI(t, may), cache.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetInformer(t.Context(), &corev1.Namespace{}); err != nil {
		t.Fatal(err)
	}
	check := cachesSynced(c)
	probe := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return check(httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
	}
	if probe(10*time.Millisecond) == nil {
		t.Error("ready before the caches were started")
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Start(ctx) }()
	if probe(200*time.Millisecond) == nil {
		t.Error("ready before the first list was answered")
	}

	close(may)
	if !c.WaitForCacheSync(t.Context()) {
		t.Fatal("the cache was never filled")
	}
	if err := probe(time.Minute); err != nil {
		t.Errorf("not ready although the caches are filled: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
