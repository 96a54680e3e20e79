package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/elf"
	endian "encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	version   = "v1.2.3-test"
	committed = 2_000_000_000
)

// command runs a program and returns what it printed.
func command(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, &said)
	}
	return string(out)
}

// manager builds the manager for this machine as make image does.
func manager(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manager")
	command(t, []string{"CGO_ENABLED=0"}, "go", "build", "-C", "../..", "-trimpath", "-ldflags=-s -w -X main.version="+version, "-o", path, "./cmd")
	return path
}

// release makes a release of a binary, and returns the directories of layout
// and bills of materials.
func release(t *testing.T, binary string) (image, sboms string) {
	t.Helper()
	dir := t.TempDir()
	image, sboms = filepath.Join(dir, "image"), filepath.Join(dir, "sbom")
	var out bytes.Buffer
	args := []string{"image", "--version", version, "--revision", "c0ffee", "--created", strconv.Itoa(committed), "--layout", image, "--sbom", sboms, binary}
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	return image, sboms
}

// only returns the one image index of a layout, and the one image in it.
func only(t *testing.T, dir string) (v1.ImageIndex, v1.Image) {
	t.Helper()
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := top.ImageIndex(sole(t, top).Digest)
	if err != nil {
		t.Fatal(err)
	}
	image, err := index.Image(sole(t, index).Digest)
	if err != nil {
		t.Fatal(err)
	}
	return index, image
}

func sole(t *testing.T, index v1.ImageIndex) v1.Descriptor {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 {
		t.Fatalf("the index has %d manifests, want 1", len(manifest.Manifests))
	}
	return manifest.Manifests[0]
}

// files returns what a container of the image would see.
func files(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	packed := mutate.Extract(image)
	defer packed.Close()
	for r := tar.NewReader(packed); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Mode&0o022 != 0 {
			t.Errorf("%s can be written by others than root", header.Name)
		}
		if all["/"+header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRelease(t *testing.T) {
	binary := manager(t)
	dir, sboms := release(t, binary)
	index, image := only(t, dir)

	t.Run("image", func(t *testing.T) {
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		got := []string{config.OS, config.Architecture, config.Config.User, strings.Join(config.Config.Entrypoint, " ")}
		if want := []string{"linux", runtime.GOARCH, "65532:65532", "/manager"}; !slices.Equal(got, want) {
			t.Errorf("platform, user and entry point are %q, want %q", got, want)
		}
		if p := sole(t, index).Platform; p == nil || p.OS != "linux" || p.Architecture != runtime.GOARCH {
			t.Errorf("the index says %v", p)
		}
		for label, want := range map[string]string{"version": version, "revision": "c0ffee", "created": "2033-05-18T03:33:20Z"} {
			if got := config.Config.Labels["org.opencontainers.image."+label]; got != want {
				t.Errorf("the label %s is %q, want %q", label, got, want)
			}
		}
		if created := config.Created.Unix(); created != committed {
			t.Errorf("it was created at %d, want %d", created, committed)
		}
	})
	t.Run("content", func(t *testing.T) {
		content := files(t, image)
		extracted := filepath.Join(t.TempDir(), "manager")
		if err := os.WriteFile(extracted, content["/manager"], 0o755); err != nil {
			t.Fatal(err)
		}
		if out := command(t, nil, extracted, "--version"); !strings.Contains(out, version) {
			t.Errorf("--version says %q", out)
		}
		trusted, want := x509.NewCertPool(), x509.NewCertPool()
		if !trusted.AppendCertsFromPEM(content[authorities]) {
			t.Fatal("there are no certificate authorities in it")
		}
		for root := range bundle.Roots() {
			if c, err := x509.ParseCertificate(root.Certificate); err != nil {
				t.Fatal(err)
			} else if root.Constraint == nil {
				want.AddCert(c)
			}
		}
		if !trusted.Equal(want) {
			t.Error("the certificate authorities are not those of the bundle")
		}
		if len(content) != 2 {
			t.Errorf("it has %d files, want 2", len(content))
		}
	})
	t.Run("bill of materials", func(t *testing.T) {
		compareSBOM(t, filepath.Join(sboms, "manager-linux-"+runtime.GOARCH+".cdx.json"), command(t, nil, "go", "version", "-m", binary))
	})
	t.Run("push", func(t *testing.T) {
		server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
		defer server.Close()
		ref := strings.TrimPrefix(server.URL, "http://") + "/console-access-operator:test"
		var out bytes.Buffer
		if err := run(t.Context(), []string{"push", "--layout", dir, ref}, &out); err != nil {
			t.Fatal(err)
		}
		parsed, err := name.ParseReference(ref)
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Index(parsed)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := digest(t, pulled), digest(t, index); got != want || !strings.Contains(out.String(), want) {
			t.Errorf("the registry has %s, want %s; push said %q", got, want, &out)
		}
	})
	t.Run("same again", func(t *testing.T) {
		again, _ := release(t, manager(t))
		other, _ := only(t, again)
		if got, want := digest(t, other), digest(t, index); got != want {
			t.Errorf("built again it is %s, was %s", got, want)
		}
	})
}

func digest(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	d, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// compareSBOM compares a bill of materials with what go version -m says.
func compareSBOM(t *testing.T, file, modules string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for line := range strings.Lines(modules) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] == "dep" {
			want = append(want, strings.Join(fields[1:], " "))
		}
	}
	for _, c := range *bom.Components {
		if c.Name == "std" && "go"+c.Version == runtime.Version() {
			continue
		}
		sum := "no sum"
		if c.Properties != nil && (*c.Properties)[0].Name == sumProperty {
			sum = (*c.Properties)[0].Value
		}
		got = append(got, c.Name+" "+c.Version+" "+sum)
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the bill lists\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if bom.BOMFormat != "CycloneDX" || len(*(*bom.Dependencies)[0].Dependencies) != len(want)+1 {
		t.Errorf("the bill is %s with %d dependencies, want %d", bom.BOMFormat, len(*(*bom.Dependencies)[0].Dependencies), len(want)+1)
	}
}

// needsLinker returns the beginning of a program that names a dynamic linker.
func needsLinker(t *testing.T) []byte {
	t.Helper()
	header := elf.Header64{Type: uint16(elf.ET_EXEC), Version: uint32(elf.EV_CURRENT), Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1}
	copy(header.Ident[:], elf.ELFMAG)
	header.Ident[elf.EI_CLASS], header.Ident[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	header.Ident[elf.EI_VERSION] = byte(elf.EV_CURRENT)
	var out bytes.Buffer
	for _, part := range []any{header, elf.Prog64{Type: uint32(elf.PT_INTERP)}} {
		if err := endian.Write(&out, endian.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestWhatCannotBeReleasedIsRefused(t *testing.T) {
	full := t.TempDir()
	text, dynamic := filepath.Join(full, "text"), filepath.Join(full, "dynamic")
	for path, content := range map[string][]byte{text: []byte("no program"), dynamic: needsLinker(t)} {
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "say what to do"},
		{"no layout", []string{"image", "--version", "v1", text}, "not understood"},
		{"no program", []string{"image", "--version", "v1", "--layout", full + "/l", "--sbom", full + "/s", text}, "is no program for Linux"},
		{"not static", []string{"image", "--version", "v1", "--layout", full + "/l", "--sbom", full + "/s", dynamic}, "build it with CGO_ENABLED=0"},
		{"no layout to push", []string{"push", "--layout", full, "localhost/a:b"}, "run make image first"},
		{"no image's name", []string{"push", "--layout", full, "A B"}, `the image "A B"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t.Context(), tt.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if err := writeLayout(full, version, nil); err == nil || !strings.Contains(err.Error(), "is no OCI layout, so it is not replaced") {
		t.Errorf("a directory with other files: %v", err)
	}
}
