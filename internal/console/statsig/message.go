package statsig

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
)

const (
	// maxMessageRunes bounds what a foreign message may add to an error.
	maxMessageRunes = 300
	redacted        = "[redacted]"
)

// looksLikeKey matches Console keys: the documented 401 message echoes the key
// that was sent ("... Key: console-xxx"), and a proxy may echo another's.
var looksLikeKey = regexp.MustCompile(`(?i)console-[a-z0-9]{6,}`)

// missingEndpoint matches what web frameworks say of an address that they do not
// serve, as under a wrong endpoint.
var missingEndpoint = regexp.MustCompile(`^(Cannot [A-Z]+ /|Route [A-Z]+:/)`)

// oneLine makes foreign text fit to be shown: valid UTF-8, no control or
// formatting characters, one line.
func oneLine(text string) string {
	text = strings.ToValidUTF8(text, string(unicode.ReplacementChar))
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// bounded cuts text to maxMessageRunes.
func bounded(text string) string {
	runes := []rune(text)
	if len(runes) <= maxMessageRunes {
		return text
	}
	return string(runes[:maxMessageRunes-1]) + "…"
}

// cleanText is [oneLine] of text, bounded and without the key.
func (c *Client) cleanText(text string) string {
	// The cut comes last: half a key would not be recognised.
	return bounded(c.redact(oneLine(text)))
}

// cleanMessage is cleanText that also drops whatever looks like any key.
func (c *Client) cleanMessage(text string) string {
	text = c.redact(oneLine(text))
	return bounded(looksLikeKey.ReplaceAllString(text, redacted))
}

// A failure is the body of a refused call.
type failure struct{ message string }

// readFailure reads {"status": 404, "message": "..."}. own tells whether the body
// is provably the console's: it repeats the HTTP status, as the contract has it.
// A gateway's "no Route matched" has no status, and "Cannot GET /..." or "Route
// GET:/... not found" is how web frameworks say that there is no such endpoint.
func readFailure(status int, body []byte) (f failure, own bool) {
	var raw struct {
		Status  *int   `json:"status"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &raw) != nil {
		return failure{}, false
	}
	own = raw.Message != "" && raw.Status != nil && *raw.Status == status && !missingEndpoint.MatchString(raw.Message)
	return failure{message: raw.Message}, own
}
