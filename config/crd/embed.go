// Package crd holds the operator's CustomResourceDefinitions, for programs that
// judge objects by them without a cluster.
package crd

import "embed"

// Bases are the definitions as controller-gen writes them.
//
//go:embed bases/*.yaml
var Bases embed.FS
