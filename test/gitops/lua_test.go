package gitops

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
)

// scriptTimeout is how long Argo CD lets a health check run.
const scriptTimeout = time.Second

// A health is what a health check returns to Argo CD.
type health struct {
	Status          string `json:"status"`
	Message         string `json:"message"`
	DeletionMessage string `json:"deletionMessage"`
}

// judge runs a health check as Argo CD does. One from argocd-cm finds only the
// libraries package, base and table, and a part of os; one that is built in, or
// has useOpenLibs, finds all of them.
func judge(script string, obj *unstructured.Unstructured, allLibraries bool) (*health, error) {
	l := lua.NewState(lua.Options{SkipOpenLibs: !allLibraries})
	defer l.Close()
	if !allLibraries {
		for name, open := range map[string]lua.LGFunction{
			lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
		} {
			if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
				return nil, fmt.Errorf("open the library %q: %w", name, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), scriptTimeout)
	defer cancel()
	l.SetContext(ctx)
	text, err := obj.MarshalJSON()
	if err != nil {
		return nil, err
	}
	value, err := luajson.Decode(l, text)
	if err != nil {
		return nil, err
	}
	l.SetGlobal("obj", value)
	if err := l.DoString(script); err != nil {
		return nil, err
	}
	returned, err := luajson.Encode(l.Get(-1))
	if err != nil {
		return nil, err
	}
	h := &health{}
	return h, json.Unmarshal(returned, h)
}

// script is the health check of a kind.
func script(t *testing.T, kind string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "config", "argocd", "resource_customizations", "console-access.dev", kind, "health.lua"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// bothWays judges an object with the few libraries and with all of them, which
// makes no difference to a good health check.
func bothWays(t *testing.T, obj *unstructured.Unstructured) health {
	t.Helper()
	text := script(t, obj.GetKind())
	few, err := judge(text, obj, false)
	if err != nil {
		t.Fatalf("run the health check: %v", err)
	}
	all, err := judge(text, obj, true)
	if err != nil {
		t.Fatalf("run the health check with all libraries: %v", err)
	}
	if *few != *all {
		t.Errorf("with few libraries: %+v\nwith all: %+v", *few, *all)
	}
	return *few
}
