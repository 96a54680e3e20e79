package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// sumProperty holds a module's checksum as go.sum has it. It is over the names
// and contents of its files, so it is none of CycloneDX' hashes of one file.
const sumProperty = "go:sum"

// writeSBOM writes what a binary was linked of, as the binary itself tells.
func writeSBOM(path string, about source, b binary) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	err = cdx.NewBOMEncoder(file, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(newSBOM(about, b), cdx.SpecVersion1_6)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

func newSBOM(about source, b binary) *cdx.BOM {
	digest := sha256.Sum256(b.content)
	main := component(cdx.ComponentTypeApplication, b.info.Main.Path, about.version)
	main.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(digest[:])}}
	main.Properties = &[]cdx.Property{}
	for _, s := range b.info.Settings {
		*main.Properties = append(*main.Properties, cdx.Property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	// Vulnerabilities of the standard library are known by Go's version.
	components := []cdx.Component{component(cdx.ComponentTypeLibrary, "std", strings.TrimPrefix(b.info.GoVersion, "go"))}
	for _, module := range b.info.Deps {
		components = append(components, library(module))
	}
	uses := cdx.Dependency{Ref: main.BOMRef, Dependencies: &[]string{}}
	for _, c := range components {
		*uses.Dependencies = append(*uses.Dependencies, c.BOMRef)
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: about.created.Format(time.RFC3339), Component: &main}
	bom.Components = &components
	bom.Dependencies = &[]cdx.Dependency{uses}
	return bom
}

// library is a module as it was linked: what replaces it, if anything does.
func library(module *debug.Module) cdx.Component {
	if module.Replace != nil {
		module = module.Replace
	}
	c := component(cdx.ComponentTypeLibrary, module.Path, module.Version)
	if module.Sum != "" {
		c.Properties = &[]cdx.Property{{Name: sumProperty, Value: module.Sum}}
	}
	return c
}

func component(kind cdx.ComponentType, path, version string) cdx.Component {
	// A package URL has golang's names in lower case.
	purl := "pkg:golang/" + strings.ToLower(path) + "@" + url.QueryEscape(version)
	return cdx.Component{BOMRef: purl, Type: kind, Name: path, Version: version, PackageURL: purl}
}
