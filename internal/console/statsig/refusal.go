package statsig

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/console-access/console-access-operator/internal/console"
)

// A failure is the body of a refused call.
type failure struct {
	message string
	details []detail
}

// A detail says what is wrong with a property, such as role or members.0.
type detail struct {
	Property     string `json:"property"`
	ErrorMessage string `json:"errorMessage"`
}

// missingEndpoint matches what web frameworks say of an address that they do not
// serve, as under a wrong endpoint.
var missingEndpoint = regexp.MustCompile(`^(Cannot [A-Z]+ /|Route [A-Z]+:/)`)

// readFailure reads {"status": 404, "message": "...", "errors"?: [...]}. own tells
// whether the body is provably the console's: it repeats the HTTP status, as the
// contract has it. A gateway's "no Route matched" has no status, and "Cannot GET
// /..." or "Route GET:/... not found" is how web frameworks say that there is no
// such endpoint.
func readFailure(status int, body []byte) (f failure, own bool) {
	var raw struct {
		Status  *int            `json:"status"`
		Message string          `json:"message"`
		Errors  json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(body, &raw) != nil {
		return failure{}, false
	}
	own = raw.Message != "" && raw.Status != nil && *raw.Status == status && !missingEndpoint.MatchString(raw.Message)
	return failure{message: raw.Message, details: readDetails(raw.Errors)}, own
}

// readDetails reads what it can of [{"property", "errorMessage"}]: nothing of it
// decides what the answer is.
func readDetails(raw json.RawMessage) []detail {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return nil
	}
	var out []detail
	for _, item := range items {
		var d detail
		if json.Unmarshal(item, &d) == nil && (d.Property != "" || d.ErrorMessage != "") {
			out = append(out, d)
		}
	}
	return out
}

// maxDetails is how many details a message repeats.
const maxDetails = 5

// text is the message with the details, which say more than "Bad Request Exception".
func (f failure) text() string {
	parts := make([]string, 0, maxDetails+1)
	if f.message != "" {
		parts = append(parts, f.message)
	}
	for _, d := range f.details[:min(len(f.details), maxDetails)] {
		text := strings.Trim(d.Property+": "+d.ErrorMessage, ": ")
		if !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	if more := len(f.details) - maxDetails; more > 0 {
		parts = append(parts, strconv.Itoa(more)+" more")
	}
	return strings.Join(parts, "; ")
}

// An addressList is a list of addresses in a request.
type addressList struct {
	field  string
	emails []string
}

// rejected returns, in the order of the request, the addresses in it that the
// failure is about: it names them in a text, or their place in a property.
func (f failure) rejected(sent []addressList) []string {
	texts := []string{console.EmailKey(f.message)}
	places := map[string]bool{}
	for _, d := range f.details {
		texts = append(texts, console.EmailKey(d.ErrorMessage), console.EmailKey(d.Property))
		places[brackets.Replace(d.Property)] = true
	}
	var out []string
	for _, list := range sent {
		for i, email := range list.emails {
			key := console.EmailKey(email)
			named := slices.ContainsFunc(texts, func(text string) bool { return names(text, key) })
			if (named || places[list.field+"."+strconv.Itoa(i)]) && !slices.Contains(out, email) {
				out = append(out, email)
			}
		}
	}
	return out
}

// brackets makes members.0 of members[0].
var brackets = strings.NewReplacer("[", ".", "]", "")

// names reports whether a text names an address, and not one that merely contains
// it. Both are keys of addresses.
func names(text, email string) bool {
	for from := 0; email != ""; {
		at := strings.Index(text[from:], email)
		if at < 0 {
			return false
		}
		begin, end := from+at, from+at+len(email)
		if !continuesBefore(text[:begin], text[end:]) && !continuesAfter(text[end:]) {
			return true
		}
		from = begin + 1
	}
	return false
}

// inAddress are the characters, beside letters and digits, that an address may have
// before its @.
const inAddress = "!#$&'*+=?^_{|}~.-"

// continuesBefore reports whether an address began before the text in between. A
// quotation mark is one when another follows the address.
func continuesBefore(before, after string) bool {
	if before == "" || before[len(before)-1] == '\'' && strings.HasPrefix(after, "'") {
		return false
	}
	last := before[len(before)-1]
	return alphanumeric(last) || strings.IndexByte(inAddress, last) >= 0
}

// continuesAfter reports whether the domain of an address goes on in text. A full
// stop at the end of a sentence is no part of it.
func continuesAfter(text string) bool {
	switch {
	case text == "":
		return false
	case text[0] == '.':
		return len(text) > 1 && alphanumeric(text[1])
	}
	return alphanumeric(text[0]) || text[0] == '-'
}

func alphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b >= 0x80
}
