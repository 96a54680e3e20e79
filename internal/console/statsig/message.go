package statsig

import (
	"encoding/json"
	"net/http"
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

var missingEndpoint = regexp.MustCompile(`^Cannot [A-Z]+ /`)

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

// A failure is the console's own error body.
type failure struct {
	message string
	status  int // 0 when the body does not repeat the HTTP status
}

// absence tells whether a 404 with this body says that the thing asked for does
// not exist. Only the console knows that: a proxy's page has no such body, and
// "Cannot GET /..." is how common web frameworks say that there is no such
// endpoint at all, as under a wrong address.
func (f failure) absence() bool {
	return f.message != "" && (f.status == 0 || f.status == http.StatusNotFound) &&
		!missingEndpoint.MatchString(f.message)
}

// readFailure reads {"status"?: 404, "message": "..."}; false when the body is
// anything else, such as a proxy's page.
func readFailure(body []byte) (failure, bool) {
	var raw struct {
		Status  *int    `json:"status"`
		Message *string `json:"message"`
	}
	if json.Unmarshal(body, &raw) != nil || raw.Message == nil || *raw.Message == "" {
		return failure{}, false
	}
	f := failure{message: *raw.Message}
	if raw.Status != nil {
		f.status = *raw.Status
	}
	return f, true
}
