// Package gitops proves that the operator's objects mean to Argo CD and Flux what
// they mean to people: by the engines that these two judge health with, by the
// diffs they make and by Flux's own controller, over a real Kubernetes API.
//
// It is a module of its own, so that the product neither names nor compiles what
// Argo CD and Flux are made of.
package gitops
