package main

import (
	"runtime/debug"
	"strings"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/component-base/compatibility"
)

// kubernetesVersion is the version the server reports: that of Kubernetes
// whose libraries it is built of, where v0.37.2 is of v1.37.2. Without it
// clients are told a placeholder they cannot parse.
type kubernetesVersion struct {
	compatibility.EffectiveVersion
}

// Info implements compatibility.EffectiveVersion.
func (v kubernetesVersion) Info() *version.Info {
	info := v.EffectiveVersion.Info()
	info.GitVersion = "v" + v.BinaryVersion().String()
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	for _, module := range build.Deps {
		if patch, ok := strings.CutPrefix(module.Version, "v0."); ok && module.Path == "k8s.io/apiserver" {
			info.GitVersion = "v1." + patch
		}
	}
	return info
}
