package statsig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/console-access/console-access-operator/internal/console"
)

var (
	errNoData       = errors.New(`the answer has no "data"`)
	errNoText       = errors.New(`the answer has no "message"`)
	errErrorInside  = errors.New("the answer's body reports an error although its HTTP status is a success")
	errNoPages      = errors.New(`the answer has no "pagination"`)
	errNoPagination = errors.New("the answer's pagination cannot be read")
)

// envelope is what every successful answer is wrapped in.
type envelope struct {
	Message    json.RawMessage `json:"message"`
	Data       json.RawMessage `json:"data"`
	Pagination *pagination     `json:"pagination"`

	// What follows is in no successful answer of the console.
	Status     json.RawMessage `json:"status"`
	StatusCode json.RawMessage `json:"statusCode"`
	Error      json.RawMessage `json:"error"`
	Errors     json.RawMessage `json:"errors"`
	Success    *bool           `json:"success"`
}

// open reads the envelope of a successful answer.
func open(body []byte) (envelope, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return envelope{}, err
	}
	failed := func(raw json.RawMessage) bool {
		var status float64
		return json.Unmarshal(raw, &status) == nil && status >= 400
	}
	told := func(raw json.RawMessage) bool {
		return !absent(raw) && !slices.Contains([]string{"false", `""`, "[]", "{}"}, string(raw))
	}
	if failed(e.Status) || failed(e.StatusCode) || told(e.Error) || told(e.Errors) || e.Success != nil && !*e.Success {
		return envelope{}, errErrorInside
	}
	return e, nil
}

type pagination struct {
	NextPage   json.RawMessage `json:"nextPage"`
	TotalItems *float64        `json:"totalItems"`
}

// absent tells whether a member of an object was missing or null.
func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(raw, []byte("null"))
}

// decodeSingle reads the answer to a call about one thing.
func decodeSingle[T any](item func(json.RawMessage) (T, error)) func([]byte) (T, error) {
	return func(body []byte) (T, error) {
		var zero T
		e, err := open(body)
		if err != nil {
			return zero, err
		}
		if absent(e.Data) {
			return zero, errNoData
		}
		return item(e.Data)
	}
}

// decodeDone reads the answer to a call that answers with a message only, which
// is the only proof that the console was asked.
func decodeDone(body []byte) (struct{}, error) {
	e, err := open(body)
	if err != nil {
		return struct{}{}, err
	}
	var message string
	if absent(e.Message) || json.Unmarshal(e.Message, &message) != nil || message == "" {
		return struct{}{}, errNoText
	}
	return struct{}{}, nil
}

// A page is one answer of a paged read.
type page[T any] struct {
	items []T
	// next is the console's own pointer to the following page, "" at the end.
	next string
	// endKnown is false when the answer says nothing about a following page.
	endKnown bool
	// total is the number of items of the whole list; nil when not told.
	total *float64
}

func decodePage[T any](item func(json.RawMessage) (T, error)) func([]byte) (page[T], error) {
	return func(body []byte) (page[T], error) {
		e, err := open(body)
		switch {
		case err != nil:
			return page[T]{}, err
		case absent(e.Data):
			return page[T]{}, errNoData
		case e.Pagination == nil:
			return page[T]{}, errNoPages
		}
		var raw []json.RawMessage
		if err := json.Unmarshal(e.Data, &raw); err != nil {
			return page[T]{}, err
		}
		p := page[T]{items: make([]T, 0, len(raw))}
		for i, r := range raw {
			v, err := item(r)
			if err != nil {
				return page[T]{}, fmt.Errorf("item %d: %w", i+1, err)
			}
			p.items = append(p.items, v)
		}
		p.total = e.Pagination.TotalItems
		p.endKnown = len(e.Pagination.NextPage) != 0
		if !absent(e.Pagination.NextPage) && json.Unmarshal(e.Pagination.NextPage, &p.next) != nil {
			return page[T]{}, errNoPagination
		}
		return p, nil
	}
}

// maxNameBytes bounds the identifiers and roles that a status repeats: an object
// that cannot be stored would be reconciled for ever.
const maxNameBytes = 1024

// An identifier is a string or a whole number: the contract says string, other
// editions of it show numbers.
type identifier string

func (id *identifier) UnmarshalJSON(raw []byte) error {
	if absent(raw) {
		return nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	} else if len(bytes.Trim(raw, "0123456789")) != 0 {
		return errors.New("an identifier is neither a string nor a whole number")
	}
	if len(text) > maxNameBytes || strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("an identifier is too long or holds control characters")
	}
	*id = identifier(text)
	return nil
}

type userJSON struct {
	UserID    identifier `json:"userID"`
	Email     *string    `json:"email"`
	FirstName string     `json:"firstName"`
	LastName  string     `json:"lastName"`
	Role      string     `json:"role"`
}

func decodeUser(raw json.RawMessage) (console.User, error) {
	var u userJSON
	if err := json.Unmarshal(raw, &u); err != nil {
		return console.User{}, err
	}
	if u.Email == nil {
		return console.User{}, errors.New(`a user has no "email"`)
	}
	if len(u.Role) > maxNameBytes {
		return console.User{}, errors.New("the name of a user's role is too long")
	}
	return console.User{
		ID:        string(u.UserID),
		Email:     *u.Email,
		FirstName: u.FirstName,
		LastName:  u.LastName,
		Role:      u.Role,
	}, nil
}

// A member is a user's address. Teams as read hold users, teams as written
// hold addresses, and an answer may echo what was written.
type member string

func (m *member) UnmarshalJSON(raw []byte) error {
	if len(raw) != 0 && raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(m))
	}
	// A member that cannot be read must not vanish: the list is written back.
	u, err := decodeUser(raw)
	if err != nil {
		return err
	}
	*m = member(u.Email)
	return nil
}

func addresses(members []member) []string {
	if members == nil {
		return nil
	}
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = string(m)
	}
	return out
}

type metricJSON struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// teamJSON is a team as read; [teamBody] is a team as written.
type teamJSON struct {
	ID          identifier `json:"id"`
	Name        *string    `json:"name"`
	Description string     `json:"description"`
	Members     []member   `json:"members"`
	Admins      []member   `json:"admins"`
	teamDefaults
}

func decodeTeam(raw json.RawMessage) (console.Team, error) {
	var t teamJSON
	if err := json.Unmarshal(raw, &t); err != nil {
		return console.Team{}, err
	}
	if t.Name == nil {
		return console.Team{}, errors.New(`a team has no "name"`)
	}
	team := t.teamDefaults.team()
	team.ID = string(t.ID)
	team.Name = *t.Name
	team.Description = t.Description
	team.Members = addresses(t.Members)
	team.Admins = addresses(t.Admins)
	team.MembersKnown = t.Members != nil || t.Admins != nil
	return team, nil
}
