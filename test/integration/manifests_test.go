package integration

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// A hostile manifest, and what becomes of it.
type hostile struct {
	name string
	// spec are lines of YAML; those of a Team or UserRole name the connection,
	// too, unless they name one.
	spec []string
	// refused are texts in the API server's refusal; without any it is accepted.
	refused []string
	// reason of the Ready condition of what is accepted, and texts of its message.
	reason string
	says   []string
}

func refuse(name, spec string, says ...string) hostile {
	return hostile{name: name, spec: strings.Split(spec, "; "), refused: says}
}

func accept(name, spec, reason string, says ...string) hostile {
	return hostile{name: name, spec: strings.Split(spec, "; "), reason: reason, says: says}
}

// q quotes text for YAML, which knows the same escapes as Go.
var q = strconv.Quote

// What the refusals say.
const (
	visible = "must be one line of visible characters"
	mail    = "must be an e-mail address such as ada@example.com"
	length  = "must be a duration between"
	invalid = "must be a URL such as https://statsigapi.net"
	tooLong = "Too long"
	once    = "must name each address once, case does not matter"
)

// try applies each manifest, and holds the answer to what is expected.
func try(t *testing.T, e *harness.Env, kind string, object func(name string) client.Object, all []hostile) {
	t.Helper()
	named := func(i int) string { return fmt.Sprintf("%s-%d", e.Namespace, i) }
	for i, h := range all {
		spec := h.spec
		if kind != "ConsoleConnection" && !strings.Contains(strings.Join(spec, " "), "connectionRef") {
			spec = append(slices.Clone(spec), "connectionRef: {name: $CONNECTION}")
		}
		text := strings.Replace(manifest(kind, spec...), "name: refused", "name: "+named(i), 1)
		err := e.TryApply(text)
		if h.reason != "" {
			if err != nil {
				t.Errorf("%s %s: %v", kind, h.name, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s %s: it was accepted", kind, h.name)
			continue
		}
		for _, want := range h.refused {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: the refusal does not tell %q: %v", kind, h.name, want, err)
			}
		}
		if strings.Contains(err.Error(), "should match") {
			t.Errorf("%s %s: the refusal shows a regular expression, which explains nothing: %v", kind, h.name, err)
		}
	}
	for i, h := range all {
		if h.reason != "" && !t.Failed() {
			e.WaitMessage(object(named(i)), h.reason, h.says...)
		}
	}
}

// TestHostileTeams: names that look like others, addresses that are none,
// texts that would do something to a terminal, and all that is too much.
func TestHostileTeams(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Taken")}})
	all := slices.Concat(hostileNames(), hostileMembers(), hostileTexts())
	try(t, e, "Team", func(name string) client.Object { return e.Team(name, v1alpha1.TeamSpec{}) }, all)
	for _, r := range e.Writes(0) {
		if !strings.HasPrefix(r.Path, "/console/v1/users/teams") || strings.Contains(r.Path, "..") {
			t.Errorf("%s %s was sent on a manifest's behalf", r.Method, r.Path)
		}
	}
	wantTeam(t, e.TeamNamed("Taken"), seeded("Taken"))
}

func hostileNames() []hostile {
	var all []hostile
	for what, name := range map[string]string{
		"NUL": "Gro\x00wth", "line break": "Growth\nAdmins", "carriage return": "Growth\r", "escape sequence": "\x1b[31mGrowth",
		"only no-break space": "\u00a0", "padded by no-break space": "Growth\u00a0", "padded by ideographic space": "\u3000Growth",
		"zero-width space": "Gro\u200bwth", "only zero-width space": "\u200b", "byte order mark": "\ufeffGrowth", "right-to-left override": "Growth \u202egnihtemos",
		"right-to-left mark": "Growth\u200f", "isolate": "\u2066Growth\u2069", "soft hyphen": "Gro\u00adwth", "word joiner": "Gro\u2060wth",
		"line separator": "Gro\u2028wth", "joiner after a letter": "Growth\u200d", "joiner between letters": "Gro\u200dwth", "Hangul filler": "\u3164",
		"blank Braille": "\u2800", "tag characters": "Growth\U000e0041", "private use": "Growth\ue000", "Arabic letter mark": "Gro\u061cwth",
	} {
		all = append(all, refuse("name with "+what, "name: "+q(name), "spec.name", visible))
	}
	for what, name := range map[string]string{
		"path": "../../users/ada@example.com", "dots": "..", "escaped slash": "%2f%2e%2e", "query": "?limit=1#x", "HTML": "<script>alert(1)</script>",
		"JSON": `","admins":["ada@example.com"],"x":"`, "template": "{{ .Values.x }} ${jndi:ldap://x} %s%n", "emoji joined": "👩\u200d💻 Devs",
		"Persian": "می\u200cخواهم", "look-alike letter": "Тaken", "256 long characters": strings.Repeat("𝔤", 256), "two spaces": "Growth  Team",
	} {
		all = append(all, accept("name with "+what, "name: "+q(name), v1alpha1.ReasonSynced))
	}
	return append(all,
		refuse("name with DEL", `name: "Grow\x7fth"`, "control characters"),
		refuse("name with a C1 control", `name: "Grow\x9bth"`, "control characters"),
		refuse("name of 257 characters", "name: "+strings.Repeat("x", 257), "spec.name", tooLong),
		refuse("name that is a number", "name: 7", "spec.name", "string"),
		refuse("name that is true", "name: true", "spec.name", "string"),
		refuse("name that is a list", "name: [Growth]", "spec.name", "string"),
		accept("name that is taken", "name: Taken", v1alpha1.ReasonAlreadyExists, "adoptionPolicy"),
		refuse("connection with a path", "connectionRef: {name: ../default}", "spec.connectionRef.name", "must be the name of a ConsoleConnection"),
		refuse("connection in a namespace", "connectionRef: {name: kube-system/default}", "spec.connectionRef.name", "must be the name of a ConsoleConnection"),
		refuse("connection with a line break", `connectionRef: {name: "default\n"}`, "spec.connectionRef.name", "must be the name of a ConsoleConnection"),
		refuse("connection of a long name", "connectionRef: {name: "+strings.Repeat("x", 254)+"}", "spec.connectionRef.name", tooLong),
		accept("connection that is missing", "connectionRef: {name: missing}", v1alpha1.ReasonConnectionNotReady, `no ConsoleConnection "missing"`),
	)
}

func hostileMembers() []hostile {
	var all []hostile
	for what, address := range map[string]string{
		"look-alike letter": "аlan@example.com", "look-alike domain": "alan@exаmple.com", "full-width at": "alan＠example.com", "international domain": "alan@bücher.example",
		"international local part": "älan@example.com", "quoted local part": `"al an"@example.com`, "display name": "Alan <alan@example.com>", "scheme": "mailto:alan@example.com",
		"comment": "alan(x)@example.com", "two dots": "al..an@example.com", "dot first": ".alan@example.com", "dot last": "alan.@example.com", "dot after": "alan@example.com.",
		"dots alone": "..@example.com", "slash": "alan/../ada@example.com", "escaped slash": "alan%2fada@example.com", "escaped at": "alan%40x@example.com", "header": "alan@example.com\r\nBcc: x@example.com",
		"NUL": "alan@example.com\x00", "zero-width space": "alan\u200b@example.com", "right-to-left override": "\u202ealan@example.com", "no-break space": "alan@example.com\u00a0",
		"address literal": "alan@[127.0.0.1]", "underscore in the domain": "alan@exam_ple.com", "hyphen first": "alan@-example.com", "long label": "alan@" + strings.Repeat("x", 64) + ".com",
		"list": "alan@example.com,ada@example.com", "list of lines": "alan@example.com\nada@example.com", "backslash": `al\an@example.com`, "backtick": "al`an@example.com", "emoji": "😀@example.com",
	} {
		all = append(all, refuse("member with "+what, "members: ["+q(address)+"]", "spec.members[0]", mail))
	}
	crowd := make([]string, 10_000)
	for i := range crowd {
		crowd[i] = fmt.Sprintf("somebody%05d@example.com", i)
	}
	return append(all,
		refuse("10,000 members", "members: ["+strings.Join(crowd, ", ")+"]", "spec.members", "must have at most 5000 items"),
		refuse("5,001 admins", "admins: ["+strings.Join(crowd[:5001], ", ")+"]", "spec.admins", "must have at most 5000 items"),
		refuse("member of 255 characters", "members: ["+strings.Repeat("x", 243)+"@example.com]", "spec.members[0]", tooLong),
		refuse("member that is null", "members: [null]", "spec.members"),
		refuse("member that is an object", "members: [{email: alan@example.com}]", "spec.members"),
		refuse("the same member in two spellings", "members: [alan@example.com, 'a+b@example.com', 'A+b@Example.com']", "spec.members", once+"; duplicate: a+b@example.com"),
		refuse("the same admin in two spellings", "admins: ['a?b#c&d=e@example.com', 'a?b#c&d=E@example.com']", "spec.admins", once),
		accept("unusual members", "name: Unusual; members: ['a?b#c&d=e@example.com', 'a?b#c&d=f@example.com', 'x@xn--bcher-kva.example']",
			v1alpha1.ReasonUserNotFound, "a?b#c&d=e@example.com, a?b#c&d=f@example.com, x@xn--bcher-kva.example"),
		accept("5,000 unknown members", "name: Crowd; members: ["+strings.Join(crowd[:5000], ", ")+"]; admins: ["+strings.Join(crowd[5000:], ", ")+"]",
			v1alpha1.ReasonUserNotFound, "somebody00000@example.com", "and 9980 more"),
	)
}

func hostileTexts() []hostile {
	metric := func(name, kind string) string {
		return fmt.Sprintf("defaultGateMetrics: [{name: %s, type: %s}]", q(name), q(kind))
	}
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat("{name: dau, type: user}, ", n), ", ") }
	return []hostile{
		refuse("description with NUL", `description: "a\0b"`, "spec.description", "control characters"),
		refuse("description with an escape sequence", `description: "\e]0;x\a"`, "spec.description", "control characters"),
		refuse("description that turns direction", "description: "+q("abc \u202e cba"), "spec.description", "direction"),
		refuse("description of a megabyte", "description: "+strings.Repeat("x", 1<<20), "spec.description", tooLong),
		refuse("description that is a list", "description: []", "spec.description", "string"),
		accept("description of lines", `name: Lines; description: "one\n\ttwo\r\nthree"`, v1alpha1.ReasonSynced),
		accept("description in right-to-left letters", "name: Hebrew; description: "+q("שלום\u200f"), v1alpha1.ReasonSynced),
		refuse("blank metric", metric(" ", "user"), "spec.defaultGateMetrics[0].name", visible),
		refuse("blank type of a metric", metric("dau", "\t"), "spec.defaultGateMetrics[0].type", visible),
		refuse("padded metric", metric("dau ", "user"), "spec.defaultGateMetrics[0].name", visible),
		refuse("metric with a zero-width space", metric("da\u200bu", "user"), "spec.defaultGateMetrics[0].name", visible),
		refuse("metric with a long name", metric(strings.Repeat("x", 513), "user"), "spec.defaultGateMetrics[0].name", tooLong),
		refuse("201 metrics", "defaultHoldoutMetrics: ["+many(201)+"]", "spec.defaultHoldoutMetrics", "must have at most 200 items"),
		accept("metrics that read alike", "name: Alike; defaultGateMetrics: [{name: 'a (b)', type: c}, {name: a, type: 'b) (c'}]", v1alpha1.ReasonSynced),
		refuse("blank application", `defaultTargetApplications: [" "]`, "spec.defaultTargetApplications[0]", visible),
		refuse("application with a line break", `defaultTargetApplications: ["web\nios"]`, "spec.defaultTargetApplications[0]", visible),
		refuse("holdout with a carriage return", `defaultHoldoutID: "x\r\n"`, "spec.defaultHoldoutID", visible),
		refuse("holdout of a long id", "defaultHoldoutID: "+strings.Repeat("x", 257), "spec.defaultHoldoutID", tooLong),
		refuse("flag that is 1", "requireReviews: 1", "spec.requireReviews", "boolean"),
		refuse("policy in lower case", "deletionPolicy: orphan", "spec.deletionPolicy", `"Delete", "Orphan"`),
		refuse("blank policy", `adoptionPolicy: ""`, "spec.adoptionPolicy", `"Refuse", "Adopt"`),
	}
}

// TestHostileUserRoles: the same for people, whose address is part of a path.
func TestHostileUserRoles(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	person := func(rest string) string { return "email: edsger@example.com; role: Member; " + rest }
	all := []hostile{
		refuse("address that is a path", "role: Member; email: ../teams@example.com", "spec.email", mail),
		refuse("address that is another endpoint", "role: Member; email: invite", "spec.email", mail),
		refuse("address with a line break", `role: Member; email: "alan@example.com\r\nX: y"`, "spec.email", mail),
		refuse("address with a look-alike", "role: Member; email: аlan@example.com", "spec.email", mail),
		refuse("address of 255 characters", "role: Member; email: "+strings.Repeat("x", 243)+"@example.com", "spec.email", tooLong),
		refuse("role with a zero-width space", "email: alan@example.com; role: "+q("Admin\u200b"), "spec.role", visible),
		refuse("role with a direction mark", "email: alan@example.com; role: "+q("\u202enimdA"), "spec.role", visible),
		refuse("role padded by a no-break space", "email: alan@example.com; role: "+q("Admin\u00a0"), "spec.role", visible),
		refuse("role with a line break", `email: alan@example.com; role: "Member\nAdmin"`, "spec.role", visible),
		refuse("role of 129 characters", "email: alan@example.com; role: "+strings.Repeat("x", 129), "spec.role", tooLong),
		refuse("role that is a list", "email: alan@example.com; role: [Admin]", "spec.role", "string"),
		refuse("first name with an escape sequence", person(`firstName: "\e[2J"`), "spec.firstName", visible),
		refuse("padded last name", person(`lastName: " Dijkstra"`), "spec.lastName", visible),
		refuse("last name that turns direction", person("lastName: "+q("\u202eartskjiD")), "spec.lastName", visible),
		refuse("downgrade to Admin", person("deletionPolicy: Downgrade; downgradeTo: Admin"), "spec.downgradeTo", "Admin takes no access away"),
		refuse("downgrade to ADMIN", person("deletionPolicy: Downgrade; downgradeTo: ADMIN"), "spec.downgradeTo", "Admin takes no access away"),
		refuse("downgrade to Ad-min", person("deletionPolicy: Downgrade; downgradeTo: Ad-min"), "spec.downgradeTo", "Admin takes no access away"),
		refuse("downgrade to owner", person("deletionPolicy: Downgrade; downgradeTo: owner"), "spec.downgradeTo", "nor does Owner"),
		refuse("downgrade to nothing", person(`deletionPolicy: Downgrade; downgradeTo: ""`), "spec.downgradeTo"),
		accept("address full of what paths are made of", "role: Member; email: 'a?b#c&d=e@example.com'", v1alpha1.ReasonUserNotFound, "a?b#c&d=e@example.com"),
		accept("role with a look-alike", "email: barbara@example.com; role: "+q("Аdmin"), v1alpha1.ReasonRejected, "Аdmin"),
		accept("role that is a path", "email: alan@example.com; role: ../../roles", v1alpha1.ReasonRejected, "../../roles"),
		accept("role in another spelling", "email: ada@example.com; role: ADMIN", v1alpha1.ReasonSynced),
		accept("address in upper case", "email: GRACE@EXAMPLE.COM; role: Admin; firstName: ''", v1alpha1.ReasonSynced),
	}
	try(t, e, "UserRole", func(name string) client.Object {
		role := e.UserRole(alan, "")
		role.Name = name
		return role
	}, all)
	// Nobody was asked for but by a path of one segment after users.
	for _, r := range e.Since(0) {
		if r.Endpoint == consolesim.GetUser && strings.Count(r.Path, "/") != 4 || r.Endpoint == "" {
			t.Errorf("%s %s was sent on a manifest's behalf", r.Method, r.Path)
		}
	}
	e.WantRole(edsger, "Read Only")
}

// TestHostileConnections: endpoints that hide something, limits that are none.
func TestHostileConnections(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	const suspended = "apiKeySecretRef: {name: x}; suspend: true; "
	var all []hostile
	for endpoint, says := range map[string]string{
		"https://u:p@statsigapi.net": "no user and no password", "https://u@statsigapi.net": "no user and no password", "https://statsigapi.net@evil.example": "no user and no password",
		"https://statsigapi.net?x=y": "no query", "https://statsigapi.net/?": "no query", "https://statsigapi.net/#x": "no query and no fragment",
		"ftp://statsigapi.net": "must begin with https://", "//statsigapi.net": "must begin with https://", "statsigapi.net": "must begin with https://",
		"HTTPS://statsigapi.net": "must begin with https://", "javascript:alert(1)": "must begin with https://", "file:///etc/passwd": "must begin with https://",
		"https://": invalid, "https:///x": invalid, "https://:443": invalid, "https://statsigapi.net:65536": invalid, "https://statsigapi.net:99999999": invalid,
		"https://statsigapi.net:8a": invalid, "https://::1": invalid, "https://-": invalid, "https://stаtsigapi.net": invalid, "https://statsigapi。net": invalid,
		"https://statsigapi.net/%2e%2e/x": invalid, "https://statsigapi.net/a b": invalid, "https://statsigapi.net/\r\nHost: x": invalid, "https://statsigapi.net\x00": invalid,
		`https://statsigapi.net\@evil.example`: "no user", "https://statsigapi.net/../x": "without empty, . and .. parts", "https://statsigapi.net/a/..": "without empty, . and .. parts",
		"https://statsigapi.net//x": "without empty, . and .. parts", "http://statsigapi.net": "allowInsecure", "http://localhost.evil.example": "allowInsecure",
		"http://127.0.0.1.evil.example": "allowInsecure", "http://127.0.0.1:80@evil.example": "no user", "http://2130706433": "allowInsecure", "http://0.0.0.0": "allowInsecure",
		"https://" + strings.Repeat("x", 1020): tooLong,
	} {
		all = append(all, refuse("endpoint "+endpoint, suspended+"endpoint: "+q(endpoint), "spec.endpoint", says))
	}
	for _, per := range []string{"-10s", "0", "0s", "", "10", "1d", "10 s", "1e3s", "９s", "ten", "5s1h", "1h1h", "999999h", "9999999999999999999999999s", "99ms", "25h", "1us", ".5s", "+5s", "Inf"} {
		all = append(all,
			refuse("window of "+q(per), suspended+"rateLimit: {windows: [{requests: 1, per: "+q(per)+"}]}", "spec.rateLimit.windows[0].per", length),
			refuse("interval of "+q(per)+" and more", suspended+"drift: {interval: "+q(strings.Replace(per, "25h", "169h", 1))+"}", "spec.drift.interval", length),
			refuse("brake over "+q(per)+" and more", suspended+"deletionBrake: {per: "+q(strings.Replace(per, "25h", "169h", 1))+"}", "spec.deletionBrake.per", length),
		)
	}
	for _, n := range []string{"-1", "0", "1000001", "2147483648", "1e99", "1.5", `"100"`, "9223372036854775808"} {
		all = append(all, refuse("window of "+n+" requests", suspended+"rateLimit: {windows: [{requests: "+n+", per: 1s}]}", "spec.rateLimit.windows[0].requests"))
	}
	window := "{requests: 1, per: 1s}"
	all = append(all,
		refuse("nine windows", suspended+"rateLimit: {windows: ["+strings.Repeat(window+", ", 8)+window+"]}", "spec.rateLimit.windows", "must have at most 8 items"),
		refuse("share of -1", suspended+"rateLimit: {share: -1}", "spec.rateLimit.share"),
		refuse("share of 1e9", suspended+"rateLimit: {share: 1000000000}", "spec.rateLimit.share"),
		refuse("group that is a path", suspended+"rateLimit: {group: ../x}", "spec.rateLimit.group", "must be lower-case letters, digits"),
		refuse("brake of too many", suspended+"deletionBrake: {maxDeletes: 2147483648}", "spec.deletionBrake.maxDeletes"),
		refuse("Secret of another namespace", "apiKeySecretRef: {name: kube-system/token}", "spec.apiKeySecretRef.name", "must be the name of a Secret"),
		refuse("Secret that is a path", "apiKeySecretRef: {name: ../x}", "spec.apiKeySecretRef.name", "must be the name of a Secret"),
		refuse("Secret in a namespace field", "apiKeySecretRef: {name: x, namespace: kube-system}", "spec.apiKeySecretRef.namespace"),
		refuse("key that is a path", "apiKeySecretRef: {name: x, key: ../../etc/passwd}", "spec.apiKeySecretRef.key", "must be a key that a Secret can have"),
		refuse("key with a line break", `apiKeySecretRef: {name: x, key: "a\n"}`, "spec.apiKeySecretRef.key", "must be a key that a Secret can have"),
		refuse("key in the spec", "apiKeySecretRef: {name: x}; apiKey: console-xyz", "spec.apiKey"),
		refuse("CA bundle that is no base64", suspended+"caBundle: '!!'", "spec.caBundle"),
		refuse("operator of a selector", suspended+"allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: Near}]}}", "spec.allowedNamespaces.selector", "needs the operator In or NotIn"),
		refuse("operator without values", suspended+"allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: In}]}}", "spec.allowedNamespaces.selector", "needs the operator In or NotIn"),
		refuse("operator with values", suspended+"allowedNamespaces: {from: Selector, selector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}", "spec.allowedNamespaces.selector", "needs the operator In or NotIn"),
		refuse("allowed role with a zero-width space", suspended+"allowedRoles: ["+q("Member\u200b")+"]", "spec.allowedRoles[0]", visible),
		refuse("allowed roles twice", suspended+"allowedRoles: [Member, Member]", "spec.allowedRoles", "uplicate"),
		refuse("protected address with a look-alike", suspended+"protectedUsers: [аda@example.com]", "spec.protectedUsers[0]", mail),
	)
	for what, test := range map[string]struct{ key, says string }{
		"line break": {"console-abc\ndef", "a line break"}, "header": {"console-abc\r\nHost: evil.example", "a line break"}, "NUL": {"console-abc\x00", "another character"},
		"letter beyond ASCII": {"console-äbc", "another character"}, "byte order mark": {"\ufeffconsole-abc", "another character"}, "space": {"console abc", "a space"},
		"zero-width space": {"console-\u200babc", "another character"}, "100,000 characters": {strings.Repeat("x", 100_000), "more than any key"}, "nothing": {" \r\n\t", "has nothing under"},
		"invalid UTF-8": {"console-\xff\xfe", "another character"},
	} {
		name := fmt.Sprintf("%s-key-%d", e.Namespace, len(all))
		e.CreateSecret(name, test.key)
		all = append(all, accept("key with "+what, "apiKeySecretRef: {name: "+name+"}; endpoint: "+e.Endpoint, v1alpha1.ReasonConnectionNotReady, test.says))
	}
	ref := "apiKeySecretRef: {name: " + e.Namespace + "}; endpoint: " + e.Endpoint + "; "
	all = append(all,
		accept("CA bundle of something else", ref+"caBundle: aGVsbG8=", v1alpha1.ReasonConnectionNotReady, "the CA bundle holds no certificate; it must be PEM"),
		accept("selector of a bad label", ref+"allowedNamespaces: {from: Selector, selector: {matchLabels: {'a b': c}}}", v1alpha1.ReasonConnectionNotReady, "spec.allowedNamespaces.selector cannot be used", "Correct it"),
		accept("key that is not in the Secret", "apiKeySecretRef: {name: "+e.Namespace+", key: other}; endpoint: "+e.Endpoint, v1alpha1.ReasonConnectionNotReady, `has nothing under "other"`),
		accept("Secret that is missing", "apiKeySecretRef: {name: no-such-secret}", v1alpha1.ReasonConnectionNotReady, `no Secret "no-such-secret"`),
		accept("durations of many parts", "apiKeySecretRef: {name: "+e.Namespace+"}; endpoint: "+e.Endpoint+"; drift: {interval: 1h30m0.5s}; rateLimit: {windows: [{requests: 1000000, per: 1h2m3s4ms}]}", v1alpha1.ReasonSynced),
	)
	try(t, e, "ConsoleConnection", func(name string) client.Object { return e.NewConnection(name) }, all)
}

// TestLargestManifest: what the schema admits at its largest is not too much
// for the rules that look at it.
func TestLargestManifest(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team := e.Team("large", v1alpha1.TeamSpec{Suspend: true, Name: strings.Repeat("x", 256), Description: ptr(strings.Repeat("x", 4096))})
	for i := range 5000 {
		address := v1alpha1.EmailAddress(fmt.Sprintf("%s%05d@%s.example.com", strings.Repeat("x", 48), i, strings.Repeat("x", 40)))
		team.Spec.Members = append(team.Spec.Members, address)
	}
	for i := range 200 {
		m := v1alpha1.Metric{Name: fmt.Sprintf("%0256d", i), Type: strings.Repeat("x", 64)}
		team.Spec.DefaultGateMetrics, team.Spec.DefaultHoldoutMetrics = append(team.Spec.DefaultGateMetrics, m), append(team.Spec.DefaultHoldoutMetrics, m)
		team.Spec.DefaultTargetApplications = append(team.Spec.DefaultTargetApplications, m.Name)
	}
	e.Create(team)
	e.WaitReason(team, v1alpha1.ReasonSuspended)
}

// TestStatusIsNotTaken from a manifest: nobody gets hold of a team by claiming
// its id.
func TestStatusIsNotTaken(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Taken")}})
	e.Apply(manifest("Team", "connectionRef: {name: $CONNECTION}", "name: Mine", "deletionPolicy: Delete") +
		"status: {id: by-hand, adopted: false, syncedGeneration: 1, createIntent: {name: Taken, time: '2026-01-01T00:00:00.000000Z'}}\n")
	team := e.Team("refused", v1alpha1.TeamSpec{})
	e.WaitReady(team)
	if team.Status.ID == "by-hand" {
		t.Errorf("status %+v", team.Status)
	}
	e.Delete(team)
	e.WaitGone(team)
	wantTeam(t, e.TeamNamed("Taken"), seeded("Taken"))
}
