// Command bench measures the operator: the manager's own process against the
// simulated console over real HTTP and a real Kubernetes API server, beside a
// plain reconciler that does the same work ([baseline]).
//
// It prints tables in Markdown and writes every figure as JSON. Progress goes
// to standard error. It ends with 1 when an object did not become Ready, the
// console was not left as the specs say, or a target was missed.
//
//	make bench             # everything
//	make bench BENCH=quick # the smaller sizes, in about four minutes
//	make bench BENCH=huge  # the steady state of 50,000 UserRoles
//
// # Scale
//
// The documented limits, 100 requests per 10s and 900 per 15m, make a roll-out
// of 10,000 changes last three hours. A row measured at a scale of S has every
// period of the console divided by S: both windows, the drift interval, and the
// console's latency. What the machine does is not made faster by that, so a
// scale can only make the figures worse. Figures that depend on a period are
// given at the documented pace, which is what was measured times S.
//
// # Every row has its own
//
// API server, process under test, console project and objects, so that no row
// depends on another.
//
// [baseline]: https://pkg.go.dev/github.com/console-access/console-access-operator/test/bench/baseline
package main
