package main

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os"
	"runtime/debug"
)

// A binary is a program as it goes into an image. All that is said about it is
// from the file itself.
type binary struct {
	os, arch string
	content  []byte
	info     *debug.BuildInfo
}

// readBinary reads a program, and refuses one that would not run in an image
// that has nothing else.
func readBinary(path string) (binary, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return binary{}, err
	}
	file, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return binary{}, fmt.Errorf("%s is no program for Linux: %w", path, err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return binary{}, fmt.Errorf("%s needs a dynamic linker; build it with CGO_ENABLED=0", path)
		}
	}
	b := binary{content: content}
	if b.info, err = buildinfo.Read(bytes.NewReader(content)); err != nil {
		return binary{}, fmt.Errorf("read how %s was built: %w", path, err)
	}
	for _, s := range b.info.Settings {
		switch s.Key {
		case "GOOS":
			b.os = s.Value
		case "GOARCH":
			b.arch = s.Value
		}
	}
	return b, nil
}
