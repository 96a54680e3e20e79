// Package harness runs the operator for tests as it runs in a cluster: a real
// Kubernetes API server in a process of its own, the simulated console over
// real HTTP, and the manager with the same options as cmd.
//
// A test package hands its TestMain over to [Main]; a test begins with one of
//
//	e := harness.Shared(t, harness.Options{}) // the operator that all tests share
//	e := harness.Own(t, harness.Options{})    // an operator of its own, to stop and start
//
// Either way the test gets a namespace, a console and a ConsoleConnection of
// its own, so that tests run in parallel. Objects carry a label that names
// their operator, and an operator's cache holds no others: any number of
// operators work side by side on one API server, and none of them touches what
// else there may be.
//
// The API server is bin/controlplane; with KUBEBUILDER_ASSETS set, the
// kube-apiserver and etcd found there; with USE_EXISTING_CLUSTER=true, that of
// the current kubeconfig, except for tests that have an API server of their own.
//
// At its end every test is held to what is always true: no window of the
// console's limit was overfilled, no API key stands in a log, an object, an
// event or a metric, and no reconciler panicked.
package harness
