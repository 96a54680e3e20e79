// Command release makes of static binaries what a release consists of: an image
// for several platforms as an OCI layout, and a software bill of materials for
// each. It needs neither Docker nor a network; `push` needs a registry.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

const usage = `Usage:
  release image --version VERSION --revision COMMIT --created SECONDS --layout DIR --sbom DIR BINARY...
  release push --layout DIR IMAGE

image writes an OCI layout with an image for the platform of each BINARY, and
for each a CycloneDX file. All times in them are SECONDS since 1970, those of
the COMMIT, so that the same binaries give the same bytes. push sends the layout to a registry, with the
credentials that docker login keeps.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(out, usage)
		return errors.New("say what to do, as above")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() { fmt.Fprint(out, usage) }
	dir := flags.String("layout", "", "")
	var about source
	flags.StringVar(&about.version, "version", "", "")
	flags.StringVar(&about.revision, "revision", "", "")
	created := flags.Int64("created", 0, "")
	sboms := flags.String("sbom", "", "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	about.created = time.Unix(*created, 0).UTC()
	switch {
	case args[0] == "image" && *dir != "" && about.version != "" && *sboms != "" && flags.NArg() > 0:
		return build(about, *dir, *sboms, flags.Args(), out)
	case args[0] == "push" && *dir != "" && flags.NArg() == 1:
		return push(ctx, *dir, flags.Arg(0), out)
	}
	fmt.Fprint(out, usage)
	return errors.New("these arguments are not understood; give them as above")
}

// A source is what programs were built from.
type source struct {
	version  string
	revision string
	created  time.Time
}

// build writes the layout and the bills of materials of binaries.
func build(about source, dir, sboms string, paths []string, out io.Writer) error {
	var binaries []binary
	for _, path := range paths {
		b, err := readBinary(path)
		if err != nil {
			return err
		}
		binaries = append(binaries, b)
	}
	index, err := newIndex(about, binaries)
	if err != nil {
		return fmt.Errorf("make the image: %w", err)
	}
	if err := writeLayout(dir, about.version, index); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %s %s\n", dir, about.version, digest)
	if err := os.MkdirAll(sboms, 0o755); err != nil {
		return err
	}
	for _, b := range binaries {
		file := filepath.Join(sboms, "manager-"+b.os+"-"+b.arch+".cdx.json")
		if err := writeSBOM(file, about, b); err != nil {
			return fmt.Errorf("write the bill of materials: %w", err)
		}
		fmt.Fprintf(out, "%s: %d modules\n", file, len(b.info.Deps))
	}
	return nil
}

// push sends the image in a layout to a registry.
func push(ctx context.Context, dir, image string, out io.Writer) error {
	ref, err := name.ParseReference(image)
	if err != nil {
		return fmt.Errorf("the image %q: %w", image, err)
	}
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return fmt.Errorf("read the layout; run make image first: %w", err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return err
	}
	if len(manifest.Manifests) != 1 {
		return fmt.Errorf("%s has %d images, want 1", dir, len(manifest.Manifests))
	}
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		return err
	}
	err = remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	if err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	fmt.Fprintf(out, "%s@%s\n", ref.Context(), manifest.Manifests[0].Digest)
	return nil
}
