// Package naming makes names for Kubernetes objects out of e-mail addresses and
// names of teams: valid (RFC 1123 subdomains), unique, and the same every time.
package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxLength leaves room for a prefix and an extension in the name of a file,
// which many file systems end at 255 bytes. Kubernetes permits 253.
const maxLength = 200

// at stands for the @ of an address.
const at = "-at-"

// digests are the lengths of the digest that sets names apart, in hexadecimal
// digits: the next is used when two texts still have one name.
var digests = []int{8, 16, 2 * sha256.Size}

// Emails returns a name for each address. It depends on that address alone,
// whatever other addresses there are: ada@example.com is always
// ada-at-example.com. An address that cannot be told from its name has a digest
// behind it. Addresses that fold makes equal are one, and have one name.
func Emails(addresses []string, fold func(string) string) map[string]string {
	return assign(addresses, "user", fold, func(email string) (string, bool) {
		name := subdomain(strings.ReplaceAll(email, "@", at))
		back := strings.Replace(name, at, "@", 1)
		return name, back == email && strings.Count(name, at) == 1
	})
}

// Teams returns a name for each team's name: its letters and digits in lower
// case, with dashes between. Where that would be one name for several teams,
// all of them but the one that is called exactly so have a digest behind it.
func Teams(names []string) map[string]string {
	return assign(names, "team", strings.TrimSpace, func(name string) (string, bool) {
		return slug(name), true
	})
}

// assign names each text. fold makes texts equal that are one thing; read
// returns the readable part of a name, and whether that suffices as long as
// nothing else has it. A name must not be empty: then fallback is used, with a
// digest.
func assign(texts []string, fallback string, fold func(string) string, read func(string) (name string, suffices bool)) map[string]string {
	names := map[string]string{} // by folded text
	readable := map[string]string{}
	for _, text := range texts {
		key := fold(text)
		name, suffices := read(key)
		if name == "" {
			name, suffices = fallback, false
		}
		readable[key] = name
		if short := trimmed(name, maxLength); short != name || !suffices {
			name = withDigest(name, key, digests[0])
		}
		names[key] = name
	}
	for _, digits := range digests {
		if !setApart(names, readable, digits) {
			break
		}
	}
	out := make(map[string]string, len(texts))
	for _, text := range texts {
		out[text] = names[fold(text)]
	}
	return out
}

// setApart gives digests to texts that have one name, except to a text that is
// its name, and reports whether there were any.
func setApart(names, readable map[string]string, digits int) bool {
	having := map[string]int{}
	for _, name := range names {
		having[name]++
	}
	shared := false
	for key, name := range names {
		if having[name] > 1 {
			shared = true
			if name != key {
				names[key] = withDigest(readable[key], key, digits)
			}
		}
	}
	return shared
}

func withDigest(name, key string, digits int) string {
	sum := sha256.Sum256([]byte(key))
	digest := hex.EncodeToString(sum[:])[:digits]
	return trimmed(name, maxLength-1-digits) + "-" + digest
}

// trimmed cuts a name to a length, and leaves it valid.
func trimmed(name string, length int) string {
	if len(name) <= length {
		return name
	}
	return strings.TrimRight(name[:length], "-.")
}

// slug is text with everything but ASCII letters and digits made single dashes.
func slug(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimRight(b.String(), "-")
}

// subdomain is text with every character that is not allowed in a subdomain
// made a dash. Its parts begin and end with a letter or digit.
func subdomain(text string) string {
	allowed := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, text)
	var parts []string
	for part := range strings.SplitSeq(allowed, ".") {
		if part = strings.Trim(part, "-"); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ".")
}
