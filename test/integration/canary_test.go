package integration

import (
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestKeyIsNowhere has everything go wrong that could bring the API key to
// light, with an operator that logs all that it can. At its end, as at that of
// every test, the harness looks for the key in logs, objects, events and
// metrics.
func TestKeyIsNowhere(t *testing.T) {
	e := harness.Own(t, harness.Options{Verbose: true, Teams: []consolesim.Team{seeded("Taken")}})
	team, role := e.Team("growth", v1alpha1.TeamSpec{Members: emails(alan)}), e.UserRole(alan, "Member")
	e.Create(team, role)
	e.WaitReady(team, role)
	echo := func(format string) string { return strings.ReplaceAll(format, "KEY", e.Key) }
	asJSON := func(status int, body string) consolesim.Fault {
		return consolesim.Fault{Effect: consolesim.EffectError, Status: status, ContentType: "application/json", Body: echo(body)}
	}
	for name, fault := range map[string]consolesim.Fault{
		"400":                  asJSON(400, `{"status":400,"message":"Key: KEY, KEY\nKEY"}`),
		"400 in escapes":       asJSON(400, `{"status":400,"message":"`+escaped(e.Key)+`"}`),
		"403":                  asJSON(403, `{"status":403,"message":"KEY may not"}`),
		"404":                  asJSON(404, `{"status":404,"message":"KEY not found"}`),
		"429":                  {Effect: consolesim.EffectTooMany, RetryAfter: echo("KEY"), Body: echo(`{"message":"KEY"}`)},
		"500":                  asJSON(500, `{"status":500,"message":"KEY"}`),
		"502 by a proxy":       {Effect: consolesim.EffectErrorAfter, Body: echo("<html>KEY</html>")},
		"redirect":             {Effect: consolesim.EffectRedirect, Location: echo("https://KEY.example/KEY?KEY")},
		"redirect to nonsense": {Effect: consolesim.EffectRedirect, Location: echo("https://[KEY/%zz")},
		"no JSON":              {Effect: consolesim.EffectNotJSON, Body: echo("KEY KEY")},
		"JSON of other types":  asJSON(200, `{"data":{"email":{"KEY":"KEY"},"name":"KEY"},"KEY":1}`),
		"a success":            asJSON(200, `{"message":"KEY","data":{"id":"KEY","name":"KEY","email":"KEY","role":"KEY","members":["KEY"]}}`),
		"a list":               asJSON(200, `{"data":[{"id":"KEY","name":"growth","email":"alan@example.com","role":"KEY","firstName":"KEY"}],"pagination":{"nextPage":"/KEY?KEY"}}`),
	} {
		fault.Times = 3
		id := e.Sim.Inject(fault)
		e.Annotate(e.Connection, v1alpha1.ReconcileRequestedAtAnnotation, name)
		e.Annotate(role, v1alpha1.ReconcileRequestedAtAnnotation, name)
		harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Description = ptr(name) })
		e.WaitUntil("wait for "+name, func() bool {
			for _, f := range e.Sim.Faults() {
				if f.ID == id {
					return f.Hits > 2
				}
			}
			return false
		})
		e.Sim.RemoveFault(id)
		e.WaitReady(team, role, e.Connection)
	}
	badKeys(e)
	badServers(e)
	if lines := e.Operator.Log.Containing("Response Body"); len(lines) == 0 {
		t.Error("the answers of the API server, which only the highest verbosity logs, are not in the log")
	}
}

// escaped is text in JSON's escapes, so that nothing finds it in the answer.
func escaped(text string) string {
	var out strings.Builder
	for _, r := range text {
		fmt.Fprintf(&out, `\u%04x`, r)
	}
	return out.String()
}

// badKeys puts keys into the Secret that the console does not know, and what
// is no key.
func badKeys(e *harness.Env) {
	secret := func() string { return "canary-" + strings.ToLower(rand.Text()) }
	for _, test := range []struct{ key, reason, says string }{
		{secret(), v1alpha1.ReasonUnauthorized, "does not accept the connection's API key"},
		{secret() + "\n" + secret(), v1alpha1.ReasonConnectionNotReady, "a line break"},
		{secret() + "\r\nHost: " + secret(), v1alpha1.ReasonConnectionNotReady, "a line break"},
		{secret() + "é" + secret(), v1alpha1.ReasonConnectionNotReady, "another character"},
		{secret() + "\x00", v1alpha1.ReasonConnectionNotReady, "another character"},
		{strings.Repeat(secret(), 100), v1alpha1.ReasonConnectionNotReady, "more than any key"},
	} {
		e.SetKey(e.Namespace, test.key)
		e.WaitMessage(e.Connection, test.reason, test.says)
	}
	e.SetKey(e.Namespace, e.Key+"\r\n")
	e.WaitReady(e.Connection)
}

// badServers are consoles whose certificates are not to be trusted, are
// trusted by caBundle, and a CA bundle that holds the key by mistake.
func badServers(e *harness.Env) {
	server := httptest.NewUnstartedServer(e.Sim)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	e.T.Cleanup(server.Close)
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	untrusted, trusted, mistaken := e.NewConnection(e.Namespace+"-u"), e.NewConnection(e.Namespace+"-t"), e.NewConnection(e.Namespace+"-m")
	for _, c := range []*v1alpha1.ConsoleConnection{untrusted, trusted, mistaken} {
		c.Spec.Endpoint, c.Spec.APIKeySecretRef.Name = server.URL, e.Namespace
	}
	trusted.Spec.CABundle, mistaken.Spec.CABundle = bundle, []byte("no certificate")
	e.Create(untrusted, trusted, mistaken)
	e.WaitMessage(untrusted, v1alpha1.ReasonConsoleUnavailable, "The cause: the server's certificate is not trusted", "check the endpoint and the CA bundle")
	e.WaitMessage(mistaken, v1alpha1.ReasonConnectionNotReady, "the CA bundle holds no certificate")
	e.WaitReady(trusted)
}
