package statsig

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A script answers requests without a network: the n-th with the n-th answer,
// all later ones with the last.
type script struct {
	answers []http.Response
	bodies  [][]byte
	seen    []*http.Request
}

// RoundTrip implements http.RoundTripper.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	i := min(len(s.seen), len(s.answers)-1)
	s.seen = append(s.seen, r)
	out := s.answers[i]
	out.Body = io.NopCloser(bytes.NewReader(s.bodies[i]))
	return &out, nil
}

func (s *script) add(status int, header http.Header, body []byte) {
	s.answers, s.bodies = append(s.answers, http.Response{StatusCode: status, Header: header}), append(s.bodies, body)
}

// scripted returns a client of the script.
func scripted(t *testing.T, s *script) *Client {
	return newClient(t, "https://console.example", func(c *Config) { c.Transport = s })
}

// sound checks an error as it may reach a person: it is one line of bounded,
// valid, visible text without the key.
func sound(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	text := err.Error()
	if _, ok := console.AsError(err); !ok {
		t.Errorf("%q is not classified", text)
	}
	bad := func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, bad) || utf8.RuneCountInString(text) > 3*maxMessageRunes || leaks(err) {
		t.Errorf("the error is unfit to be shown: %q", text)
	}
}

// FuzzDecodeUser: a user is read whole or not at all, and read the same when it
// is written down again.
func FuzzDecodeUser(f *testing.F) {
	f.Add([]byte(`{"userID":"u1","email":"a@x.io","firstName":"A","lastName":"B","role":"Admin"}`))
	f.Add([]byte(`{"userID":12,"email":null}`))
	f.Add([]byte(`[{"email":7}]`))
	f.Add([]byte(`{"email":"a@x.io","EMAIL":"b@x.io","userID":"","userID":7}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		u, err := decodeUser(body)
		if err != nil {
			if u != (console.User{}) {
				t.Errorf("decodeUser = %+v, %v", u, err)
			}
			return
		}
		if len(u.ID) > maxNameBytes || len(u.Role) > maxNameBytes || strings.ContainsFunc(u.ID, unicode.IsControl) {
			t.Errorf("more than a status can hold: %+v", u)
		}
		written, err := json.Marshal(map[string]string{"userID": u.ID, "email": u.Email, "firstName": u.FirstName, "lastName": u.LastName, "role": u.Role})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeUser(written); err != nil || again != u {
			t.Errorf("written and read again: %+v, %v; was %+v", again, err, u)
		}
	})
}

// FuzzDecodeTeam: what is read of a team and written back reads the same, so
// that a write changes nothing it was not meant to; no list is written as null;
// and members are known only when the answer had them.
func FuzzDecodeTeam(f *testing.F) {
	f.Add([]byte(`{"id":"t1","name":"T","members":[{"email":"a@x.io"},"b@x.io"],"admins":[],"defaultGateMetrics":[{"name":"dau","type":"user"}]}`))
	f.Add([]byte(`{"id":12,"name":"T","members":null,"requireReviews":null}`))
	f.Add([]byte(`{"name":"T","members":[null]}`))
	f.Add([]byte(`{"name":"T","members":["a@x.io","b@x.io"],"members":["c@x.io"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		team, err := decodeTeam(body)
		if err != nil {
			if !reflect.DeepEqual(team, console.Team{}) {
				t.Errorf("decodeTeam = %+v, %v", team, err)
			}
			return
		}
		if !team.MembersKnown && len(team.Members)+len(team.Admins) != 0 {
			t.Errorf("members without MembersKnown: %+v", team)
		}
		written, err := json.Marshal(newTeamBody(team))
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(written, &fields); err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			if absent(value) {
				t.Errorf("%s is written as null", name)
			}
		}
		again, err := decodeTeam(written)
		if err != nil {
			t.Fatalf("written and read again: %v", err)
		}
		// The body has no id, and empty lists where there was nothing.
		again.ID, again.MembersKnown = team.ID, team.MembersKnown
		again.Description = team.Description
		if want := emptied(team); !reflect.DeepEqual(again, want) {
			t.Errorf("written and read again: %+v; was %+v", again, want)
		}
	})
}

// emptied is the team with empty lists for missing ones.
func emptied(t console.Team) console.Team {
	for _, l := range []*[]string{&t.Members, &t.Admins, &t.DefaultTargetApplications} {
		*l = orEmpty(*l)
	}
	for _, l := range []*[]console.Metric{&t.DefaultGateMetrics, &t.DefaultExperimentPrimaryMetrics, &t.DefaultExperimentSecondaryMetrics, &t.DefaultHoldoutMetrics} {
		*l = readMetrics(writtenMetrics(*l))
	}
	return t
}

// FuzzAnswer: whatever a server answers, a call returns a value or a classified
// error that is fit to be shown, and never both; a redirect is not followed; an
// answer that is no success is never taken for one; and absence is believed
// only when the console itself says so.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(ada), "", "")
	f.Add(200, []byte(`{"data":{"name":"T","members":[{"email":"a@x.io"},{}]}}`), "", "")
	f.Add(204, []byte(nil), "", "")
	f.Add(200, []byte(`{}`), "", "")
	f.Add(404, []byte(`{"message":"no Route matched with those values"}`), "", "")
	f.Add(302, []byte(nil), "https://"+canary+".example/\x00", "")
	f.Add(404, []byte(`{"status":404,"message":"Team not found"}`), "", "")
	f.Add(404, []byte(`{"message":"Cannot GET /console"}`), "", "")
	f.Add(429, []byte(`{"message":"slow `+canary+`\u202e"}`), "", "Sun, 01 Mar 2026 12:00:30 GMT")
	f.Add(500, []byte("<html>\xff"), "", "-1")
	f.Fuzz(func(t *testing.T, status int, body []byte, location, retryAfter string) {
		if status < 200 || status > 599 {
			return
		}
		s := &script{}
		s.add(status, http.Header{"Location": {location}, "Retry-After": {retryAfter}}, body)
		// Of its own for each call: a 429 closes the gate for the next one.
		client := func() *Client { return scripted(t, s) }
		user, err := client().GetUser(t.Context(), byAnyone, "ada@example.com")
		sound(t, err)
		if err != nil && user != (console.User{}) || err == nil && (status > 201 || len(body) == 0) {
			t.Errorf("HTTP %d: user %+v, %v", status, user, err)
		}
		if console.ClassOf(err) == console.NotFound && (status != http.StatusNotFound || !json.Valid(body)) {
			t.Errorf("HTTP %d with %q is taken for absence", status, body)
		}
		team, err := client().UpdateTeam(t.Context(), byAnyone, "t1", console.Team{Name: "T", MembersKnown: true})
		sound(t, err)
		if err != nil && !reflect.DeepEqual(team, console.Team{}) || err == nil && (status > 201 || team.ID != "t1") {
			t.Errorf("HTTP %d: team %+v, %v", status, team, err)
		}
		if e, ok := console.AsError(err); ok && (e.RetryAfter < 0 || e.Class == console.Unavailable && status >= 500) {
			t.Errorf("HTTP %d to a write: %+v", status, e)
		}
		err = client().DeleteTeam(t.Context(), byAnyone, "t1")
		sound(t, err)
		if err == nil && (status > 201 || !json.Valid(body) || len(body) < len(`{"message":"x"}`)) {
			t.Errorf("HTTP %d with %q is taken for a deletion", status, body)
		}
		if len(s.seen) != 3 {
			t.Errorf("%d requests for three calls", len(s.seen))
		}
	})
}

// FuzzListing reads lists of arbitrary pages, which lines separate: it comes to
// an end, a listing that failed holds nothing, one that is complete holds as
// many as the console says, and nobody twice.
func FuzzListing(f *testing.F) {
	f.Add([]byte(`{"data":[{"email":"a@x.io"}],"pagination":{"nextPage":"/console/v1/users?page=2&limit=1","totalItems":2}}` + "\n" +
		`{"data":[{"email":"b@x.io"}],"pagination":{"nextPage":null,"totalItems":2}}`))
	f.Add([]byte(`{"data":[{"email":"a@x.io"},{}],"pagination":{"nextPage":7}}`))
	f.Add([]byte(`{"data":{},"pagination":[]}`))
	f.Add([]byte(`{"data":[],"pagination":{"nextPage":"https://evil.example/?page=1"}}`))
	f.Add([]byte(`{"data":[{"email":"a@x.io"},{"email":"A@x.io"}],"pagination":{"nextPage":null,"totalItems":1e300}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &script{}
		for body := range bytes.SplitSeq(text, []byte("\n")) {
			s.add(http.StatusOK, nil, body)
		}
		// After the last page of the input the list is at its end.
		s.add(http.StatusOK, nil, []byte(`{"data":[],"pagination":{"nextPage":null}}`))
		c := scripted(t, s)
		asked := quota.Request{Key: "fuzz", Lane: quota.Drift, Notify: func() {}}
		l, err := c.ListUsers(t.Context(), asked)
		sound(t, err)
		if err != nil && (l.Items != nil || l.Complete) {
			t.Errorf("a failed listing holds %+v: %v", l, err)
		}
		if l.Pages != len(s.seen) && err == nil || len(s.seen) > len(s.answers) {
			t.Errorf("%d pages of %d requests", l.Pages, len(s.seen))
		}
		keys := map[string]bool{}
		for _, u := range l.Items {
			key := "id " + u.ID
			if u.ID == "" {
				key = strings.ToLower(u.Email)
			}
			if keys[key] {
				t.Errorf("%q is listed twice", key)
			}
			keys[key] = true
		}
		for _, r := range s.seen {
			if r.URL.Host != "console.example" || r.URL.Path != usersPath {
				t.Errorf("%s was asked for", r.URL)
			}
		}
	})
}

// FuzzSegment: whatever a name holds, it stays one segment of the path, and
// arrives as it is.
func FuzzSegment(f *testing.F) {
	for _, seed := range []string{"ada@example.com", "../x@example.com", "a/b@x", "%2f@x", "?@x#", "\r\n@x", "@\x00", "é@\xff", ";@x", "..", "@."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s := &script{}
		s.add(http.StatusOK, nil, []byte(ada))
		c := newClient(t, "https://console.example/base", func(c *Config) { c.Transport = s })
		_, err := c.GetUser(t.Context(), byAnyone, name)
		sound(t, err)
		if _, err := c.GetTeam(t.Context(), byAnyone, name); console.ClassOf(err) == console.Invalid && err != nil && name != "" && name != "." && name != ".." {
			t.Errorf("a team %q cannot be asked for: %v", name, err)
		}
		for _, r := range s.seen {
			raw := r.URL.EscapedPath()
			rest, isUser := strings.CutPrefix(raw, "/base/console/v1/users/")
			rest = strings.TrimPrefix(rest, "teams/")
			if !isUser || strings.ContainsAny(rest, "/?#\r\n\x00") || r.URL.RawQuery != "" || r.URL.Fragment != "" {
				t.Errorf("%q becomes the path %q", name, r.URL)
			}
			if !strings.HasSuffix(r.URL.Path, "/"+name) {
				t.Errorf("%q arrives as %q", name, r.URL.Path)
			}
		}
	})
}

// FuzzMessage: foreign text becomes fit to be shown, and stays as it is when
// that is done again.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{"Team not found", "a\r\n\x1b[2Jb\u202e\xff", "Key: " + canary, strings.Repeat("é", 400), "console-" + canary, canary[:20] + "\n" + canary[20:]} {
		f.Add(seed)
	}
	c := newClient(f, "https://console.example")
	f.Fuzz(func(t *testing.T, text string) {
		got := c.cleanMessage(text)
		sound(t, &console.Error{Class: console.Invalid, Message: got})
		if utf8.RuneCountInString(got) > maxMessageRunes {
			t.Errorf("%d runes of %q", utf8.RuneCountInString(got), text)
		}
		if again := c.cleanMessage(got); again != got {
			t.Errorf("%q becomes %q and then %q", text, got, again)
		}
	})
}

// FuzzRetryAfter: a wait is never negative, whole seconds mean what they say,
// more of them never mean less, and blanks around them mean nothing.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"7", "-1", "0.5", "1e9", "99999999999999999999", "soon", "Sun, 01 Mar 2026 12:00:30 GMT", "+", "."} {
		f.Add(seed, "Sun, 01 Mar 2026 12:00:00 GMT", uint32(7))
		f.Add(seed, "", uint32(1<<31))
	}
	f.Fuzz(func(t *testing.T, value, date string, seconds uint32) {
		wait, ok := parseRetryAfter(value, date, retryAfterNow)
		if wait < 0 || !ok && wait != 0 {
			t.Errorf("parseRetryAfter(%q, %q) = %v, %v", value, date, wait, ok)
		}
		if again, same := parseRetryAfter(" "+value+"\t", date, retryAfterNow); again != wait || same != ok {
			t.Errorf("%q with blanks around is %v, %v; without %v, %v", value, again, same, wait, ok)
		}
		text := strconv.FormatUint(uint64(seconds), 10)
		exact, ok := parseRetryAfter(text, date, retryAfterNow)
		if !ok || exact != time.Duration(seconds)*time.Second {
			t.Errorf("%s seconds are %v, %v", text, exact, ok)
		}
		if longer, _ := parseRetryAfter("1"+text, date, retryAfterNow); longer <= exact {
			t.Errorf("1%s seconds are %v, %s are %v", text, longer, text, exact)
		}
	})
}
