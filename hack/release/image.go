package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	// program is where the manager is in the image, as config/manager says.
	program = "/manager"
	// authorities is where Go programs look for certificate authorities.
	authorities = "/etc/ssl/certs/ca-certificates.crt"
	// user has no name: nothing in the image needs one.
	user = "65532:65532"
)

// newIndex makes an image for the platform of each binary.
func newIndex(about source, binaries []binary) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		image, err := newImage(about, b)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: b.os, Architecture: b.arch}},
		})
	}
	return index, nil
}

func newImage(about source, b binary) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, file := range []struct {
		name    string
		content []byte
		mode    int64
	}{{authorities, roots(), 0o644}, {program, b.content, 0o755}} {
		layer, err := newLayer(file.name, file.content, file.mode, about.created)
		if err != nil {
			return nil, err
		}
		image, err = mutate.Append(image, mutate.Addendum{
			Layer: layer, History: v1.History{Created: v1.Time{Time: about.created}, CreatedBy: "add " + file.name},
		})
		if err != nil {
			return nil, err
		}
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = b.os, b.arch, v1.Time{Time: about.created}
	config.Config = v1.Config{
		User: user, Entrypoint: []string{program}, WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":       "console-access-operator",
			"org.opencontainers.image.description": "Keeps teams and roles of a product console as Kubernetes objects",
			"org.opencontainers.image.source":      "https://" + b.info.Main.Path,
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     about.version,
			"org.opencontainers.image.revision":    about.revision,
			"org.opencontainers.image.created":     about.created.Format(time.RFC3339),
		},
	}
	return mutate.ConfigFile(image, config)
}

// newLayer makes a layer of one file, owned by root.
func newLayer(name string, content []byte, mode int64, created time.Time) (v1.Layer, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	header := &tar.Header{Name: name[1:], Mode: mode, Size: int64(len(content)), ModTime: created, Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(packed.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// roots returns the certificate authorities of Mozilla's program, as the Go
// project publishes them. Those that are trusted with restrictions only are
// left out: the file's format cannot say them.
func roots() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
		}
	}
	return text.Bytes()
}

// writeLayout writes the index as the only image of a layout, and replaces one
// that was there.
func writeLayout(dir, version string, index v1.ImageIndex) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
			return fmt.Errorf("%s is no OCI layout, so it is not replaced; remove it or name another directory", dir)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	path, err := layout.Write(dir, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err == nil {
		err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": version}))
	}
	if err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	return nil
}
