package apifault_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/console-access/console-access-operator/test/chaos/apifault"
)

// through starts a proxy before a server that counts what reaches it and, when
// it is watched, says one thing and waits.
func through(t *testing.T) (p *apifault.Proxy, url string, reached *[]string) {
	reached = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*reached = append(*reached, r.Method+" "+r.Header.Get("Authorization"))
		fmt.Fprintln(w, "done")
		if r.URL.Query().Get("watch") != "" {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	p, err := apifault.New(&rest.Config{Host: server.URL, BearerToken: "secret"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := p.WriteKubeconfig(path); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	return p, config.Host, reached
}

func send(t *testing.T, method, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.ReadAll(resp.Body)
	return resp.StatusCode, err
}

func TestRequestsFail(t *testing.T) {
	for kind, want := range map[apifault.Kind]struct {
		status  int // 0: no answer
		reached bool
	}{
		"":                   {200, true},
		apifault.Conflict:    {409, false},
		apifault.Internal:    {500, false},
		apifault.Unavailable: {503, false},
		apifault.TooMany:     {429, false},
		apifault.Cut:         {0, false},
		apifault.Outage:      {0, false},
		apifault.Lost:        {0, true},
		apifault.Timeout:     {0, true},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			p, url, reached := through(t)
			p.Set(kind, 1)
			status, err := send(t, http.MethodPatch, url)
			if status != want.status || (err != nil) != (want.status == 0) {
				t.Errorf("answered %d, %v; want %d", status, err, want.status)
			}
			if (len(*reached) == 1) != want.reached {
				t.Errorf("the server got %q", *reached)
			}
			if got := p.Counts()[kind]; kind != "" && got != 1 {
				t.Errorf("counted %d", got)
			}
			p.Clear()
			if status, err := send(t, http.MethodPatch, url); status != 200 || err != nil {
				t.Errorf("when all is well again: %d, %v", status, err)
			}
			if last := (*reached)[len(*reached)-1]; last != "PATCH Bearer secret" {
				t.Errorf("the server got %q", last)
			}
		})
	}
}

func TestReadsDoNotConflict(t *testing.T) {
	p, url, _ := through(t)
	p.Set(apifault.Conflict, 1)
	if status, err := send(t, http.MethodGet, url); status != 200 || err != nil {
		t.Errorf("%d, %v", status, err)
	}
}

func TestWatchesAreCut(t *testing.T) {
	p, url, _ := through(t)
	p.Set(apifault.Lost, 1) // is not for watches
	resp, err := http.Get(url + "?watch=true")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body := bufio.NewReader(resp.Body)
	if line, err := body.ReadString('\n'); line != "done\n" || err != nil {
		t.Fatalf("the watch says %q, %v", line, err)
	}
	p.CutWatches()
	if rest, err := io.ReadAll(body); err == nil {
		t.Errorf("the watch ended well, with %q", rest)
	}
	if got := p.Counts()[apifault.WatchCut]; got != 1 {
		t.Errorf("counted %d", got)
	}
}
