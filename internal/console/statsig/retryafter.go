package statsig

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// parseRetryAfter reads a Retry-After header: seconds or an HTTP date (RFC
// 9110, section 10.2.3). A date is counted from the answer's own Date header,
// so that a clock that differs from the server's does no harm, else from now.
// A time gone by is a wait of 0; text that is neither is no wait at all. Nothing
// is clamped here except what a time.Duration cannot hold.
func parseRetryAfter(value, date string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if wait, ok := parseSeconds(value); ok {
		return wait, true
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	from := now
	if sent, err := http.ParseTime(date); err == nil {
		from = sent
	}
	return max(0, until.Sub(from)), true
}

// parseSeconds reads decimal seconds, rounding a fraction up. Fractions and
// signs are not in the RFC, yet servers send them.
func parseSeconds(value string) (time.Duration, bool) {
	if strings.Trim(value, "0123456789.+-") != "" {
		return 0, false // also keeps ParseFloat from taking "inf", "nan" and "0x1p4"
	}
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil && !math.IsInf(seconds, 0) {
		return 0, false
	}
	seconds = math.Ceil(seconds)
	switch {
	case seconds <= 0:
		return 0, true
	case seconds >= math.MaxInt64/float64(time.Second):
		return math.MaxInt64, true
	}
	return time.Duration(seconds) * time.Second, true
}
