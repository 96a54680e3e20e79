package statsig

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/console-access/console-access-operator/internal/console"
)

func TestDecodeUser(t *testing.T) {
	tests := []struct {
		name, body string
		want       console.User
		fails      bool
	}{
		{"whole", `{"userID":"u1","email":"A@x.io","firstName":"A","lastName":"B","role":"Admin"}`,
			console.User{ID: "u1", Email: "A@x.io", FirstName: "A", LastName: "B", Role: "Admin"}, false},
		{"without an id", `{"email":"a@x.io"}`, console.User{Email: "a@x.io"}, false},
		{"id is a number", `{"userID":9007199254740993,"email":"a@x.io"}`, console.User{ID: "9007199254740993", Email: "a@x.io"}, false},
		{"nulls and unknown fields", `{"userID":null,"email":"a@x.io","firstName":null,"avatar":{"x":[1]}}`, console.User{Email: "a@x.io"}, false},
		{"id is a fraction", `{"userID":1.5,"email":"a@x.io"}`, console.User{}, true},
		{"id is an object", `{"userID":{},"email":"a@x.io"}`, console.User{}, true},
		{"no address", `{"userID":"u1","role":"Admin"}`, console.User{}, true},
		{"address is null", `{"email":null}`, console.User{}, true},
		{"address is a number", `{"email":7}`, console.User{}, true},
		{"role is a list", `{"email":"a@x.io","role":["Admin"]}`, console.User{}, true},
		{"text", `"a@x.io"`, console.User{}, true},
		{"null", `null`, console.User{}, true},
		{"empty", ``, console.User{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeUser(json.RawMessage(tt.body))
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("decodeUser = %+v, %v; want %+v, failure %v", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestDecodeTeam(t *testing.T) {
	tests := []struct {
		name, body string
		want       console.Team
		fails      bool
	}{
		{"whole", `{"id":"t1","name":"T","description":"d","members":[{"email":"a@x.io"}],"admins":[{"email":"b@x.io"}],
			"defaultGateMetrics":[{"name":"dau","type":"user"}],"changeTeamConfigs":"anyone","reviewApproval":"admin_only",
			"defaultTargetApplications":["web"],"defaultHoldoutID":"h","requireReviews":false}`,
			console.Team{
				ID: "t1", Name: "T", Description: "d", Members: []string{"a@x.io"}, Admins: []string{"b@x.io"}, MembersKnown: true,
				DefaultGateMetrics: []console.Metric{{Name: "dau", Type: "user"}}, ChangeTeamConfigs: "anyone", ReviewApproval: "admin_only",
				DefaultTargetApplications: []string{"web"}, DefaultHoldoutID: new("h"), RequireReviews: new(false),
			}, false},
		{"members as addresses", `{"id":12,"name":"T","members":["a@x.io",{"email":"b@x.io"}],"admins":[]}`,
			console.Team{ID: "12", Name: "T", Members: []string{"a@x.io", "b@x.io"}, Admins: []string{}, MembersKnown: true}, false},
		{"members left out", `{"name":"T"}`, console.Team{Name: "T"}, false},
		{"members null", `{"name":"T","members":null,"admins":null}`, console.Team{Name: "T"}, false},
		{"nobody in it", `{"name":"T","members":[],"admins":[]}`,
			console.Team{Name: "T", Members: []string{}, Admins: []string{}, MembersKnown: true}, false},
		{"a member that cannot be read", `{"name":"T","members":["a@x.io",{"userID":"u1"}]}`, console.Team{}, true},
		{"a member is null", `{"name":"T","members":[null]}`, console.Team{}, true},
		{"a member is a number", `{"name":"T","members":[1]}`, console.Team{}, true},
		{"members are an object", `{"name":"T","members":{}}`, console.Team{}, true},
		{"no name", `{"id":"t1"}`, console.Team{}, true},
		{"a metric is text", `{"name":"T","defaultGateMetrics":["dau"]}`, console.Team{}, true},
		{"a flag is text", `{"name":"T","requireReviews":"yes"}`, console.Team{}, true},
		{"null", `null`, console.Team{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeTeam(json.RawMessage(tt.body))
			if !reflect.DeepEqual(got, tt.want) || (err != nil) != tt.fails {
				t.Errorf("decodeTeam = %+v, %v; want %+v, failure %v", got, err, tt.want, tt.fails)
			}
		})
	}
}

func TestDecodeDone(t *testing.T) {
	for body, fails := range map[string]bool{
		`{"message":"Team deleted successfully"}`:       false,
		`{"message":"done","data":null,"status":200}`:   false,
		`{"message":"done","errors":[],"success":true}`: false,
		`{}`:                                  true,
		`[]`:                                  true,
		``:                                    true,
		`{"message":7,"data":null}`:           true,
		`{"message":""}`:                      true,
		`{"data":{"id":"t1"}}`:                true,
		`{"status":400,"message":"no"}`:       true,
		`{"statusCode":404,"message":"no"}`:   true,
		`{"error":"please log in"}`:           true,
		`{"message":"no","error":"expired"}`:  true,
		`{"message":"no","errors":[{}]}`:      true,
		`{"message":"no","success":false}`:    true,
		`null`:                                true,
		`"done"`:                              true,
		`<html></html>`:                       true,
		`{"message":"Team deleted success`:    true,
		`{"message":"done"}{"message":"two"}`: true,
	} {
		if _, err := decodeDone([]byte(body)); (err != nil) != fails {
			t.Errorf("decodeDone(%s) = %v, want failure %v", body, err, fails)
		}
	}
}

func TestDecodePage(t *testing.T) {
	tests := []struct {
		name, body string
		items      int
		next       string
		endKnown   bool
		fails      bool
	}{
		{"last", `{"data":[{"email":"a@x.io"}],"pagination":{"nextPage":null,"totalItems":1}}`, 1, "", true, false},
		{"more", `{"data":[],"pagination":{"nextPage":"/u?page=2"}}`, 0, "/u?page=2", true, false},
		{"no pagination", `{"data":[]}`, 0, "", false, true},
		{"pagination null", `{"data":[],"pagination":null}`, 0, "", false, true},
		{"an error inside", `{"data":[],"pagination":{"nextPage":null},"status":503}`, 0, "", false, true},
		{"no pointer", `{"data":[],"pagination":{}}`, 0, "", false, false},
		{"no data", `{"pagination":{"nextPage":null}}`, 0, "", false, true},
		{"data null", `{"data":null}`, 0, "", false, true},
		{"data is one thing", `{"data":{"email":"a@x.io"}}`, 0, "", false, true},
		{"an item cannot be read", `{"data":[{"email":"a@x.io"},{}]}`, 0, "", false, true},
		{"pointer is a number", `{"data":[],"pagination":{"nextPage":2}}`, 0, "", false, true},
		{"pagination is a list", `{"data":[],"pagination":[]}`, 0, "", false, true},
		{"total is text", `{"data":[],"pagination":{"totalItems":"1"}}`, 0, "", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := decodePage(decodeUser)([]byte(tt.body))
			if (err != nil) != tt.fails {
				t.Fatalf("error %v, want failure %v", err, tt.fails)
			}
			if len(p.items) != tt.items || p.next != tt.next || p.endKnown != tt.endKnown {
				t.Errorf("page = %+v", p)
			}
		})
	}
}

func TestDecodeRole(t *testing.T) {
	got, err := decodeRole(json.RawMessage(`{"id":3,"name":"Ops","permissions":{"create_teams":true,"local_metrics":false,"new":null}}`))
	want := Role{ID: "3", Name: "Ops", Permissions: Permissions{"create_teams": true, "local_metrics": false}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("decodeRole = %+v, %v; want %+v", got, err, want)
	}
	for _, body := range []string{`{"permissions":{}}`, `{"name":"Ops","permissions":{"create_teams":"yes"}}`, `[]`} {
		if r, err := decodeRole(json.RawMessage(body)); err == nil {
			t.Errorf("decodeRole(%s) = %+v, want failure", body, r)
		}
	}
}

// What a status repeats must fit into one.
func TestNamesAreBounded(t *testing.T) {
	long := strings.Repeat("x", maxNameBytes)
	for body, fails := range map[string]bool{
		`{"email":"a@x.io","role":"` + long + `"}`:                      false,
		`{"email":"a@x.io","role":"` + long + `x"}`:                     true,
		`{"email":"a@x.io","userID":"` + long + `"}`:                    false,
		`{"email":"a@x.io","userID":"` + long + `x"}`:                   true,
		`{"email":"a@x.io","userID":"a\u001b[2Jb"}`:                     true,
		`{"email":"a@x.io","userID":"a\u0000b"}`:                        true,
		`{"email":"a@x.io","userID":` + strings.Repeat("1", 2000) + `}`: true,
	} {
		if _, err := decodeUser([]byte(body)); (err != nil) != fails {
			t.Errorf("decodeUser(%.60s): %v, want failure %v", body, err, fails)
		}
	}
}
