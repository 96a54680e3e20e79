package statsig

import (
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
