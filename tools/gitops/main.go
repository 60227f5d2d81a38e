// Gitops says of an object what the tools of GitOps say of it: kstatus, which Flux and kubectl apply tools use, and a
// health check of Argo CD, which is a script in Lua.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

const usage = `usage: gitops kstatus < object.json
       gitops health SCRIPT < object.json`

func main() {
	answer, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(answer)
}

func run(arguments []string) (string, error) {
	if len(arguments) == 0 {
		return "", errors.New(usage)
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return "", fmt.Errorf("reading the object: %w", err)
	}
	switch {
	case arguments[0] == "kstatus" && len(arguments) == 1:
		// Whole numbers stay whole numbers.
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(text); err != nil {
			return "", fmt.Errorf("reading the object: %w", err)
		}
		result, err := status.Compute(object)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s: %s", result.Status, result.Message), nil
	case arguments[0] == "health" && len(arguments) == 2:
		object := map[string]any{}
		if err := json.Unmarshal(text, &object); err != nil {
			return "", fmt.Errorf("reading the object: %w", err)
		}
		return health(arguments[1], object)
	}
	return "", errors.New(usage)
}

// health runs a script as Argo CD does: the object is the global `obj`, and the script returns a table.
func health(path string, object map[string]any) (string, error) {
	// Argo CD opens no library that could do more than compute.
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName:   lua.OpenPackage,
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return "", err
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoFile(path); err != nil {
		return "", err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", errors.New("the script returns no table")
	}
	return fmt.Sprintf("%s: %s", table.RawGetString("status"), table.RawGetString("message")), nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.NewTable()
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for name, item := range from {
			table.RawSetString(name, value(state, item))
		}
		return table
	}
	return lua.LNil
}
