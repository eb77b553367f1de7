package chart

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// kubernetes is the version whose schemas objects must fit.
const kubernetes = "v1.36.3"

// foreign are kinds that Kubernetes itself does not define.
const foreign = "HTTPRoute,GRPCRoute,PodMonitor,PrometheusRule"

func TestObjectsFitTheirSchemas(t *testing.T) {
	dir := schemas(t)
	var all strings.Builder
	for _, file := range values(t) {
		all.WriteString(render(t, file) + "\n---\n")
	}
	out, err := run(t, "kubeconform", []byte(all.String()), "-strict", "-summary", "-skip", foreign,
		"-schema-location", filepath.Join(dir, "{{.ResourceKind}}{{.KindSuffix}}.json"))
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Log(strings.TrimSpace(out))
	// What is wrong is found.
	wrong := strings.ReplaceAll(render(t, "testdata/values/minimal.yaml"), "terminationGracePeriodSeconds", "terminationGraceSeconds")
	if _, err := run(t, "kubeconform", []byte(wrong), "-strict", "-schema-location", filepath.Join(dir, "{{.ResourceKind}}{{.KindSuffix}}.json")); err == nil {
		t.Error("an unknown field is taken")
	}
}

type object = map[string]any

// schemas makes JSON schemas of Kubernetes' own description of its API, one file
// for each kind, as kubeconform looks for them.
func schemas(t *testing.T) string {
	t.Helper()
	download := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "k8s.io/kubernetes@"+kubernetes)
	download.Dir, download.Env = t.TempDir(), append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := download.Output()
	if err != nil {
		t.Fatalf("Kubernetes' description of its API: %v\n%s", err, out)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(module.Dir, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	var swagger struct{ Definitions map[string]object }
	if err := json.Unmarshal(text, &swagger); err != nil {
		t.Fatal(err)
	}
	definitions := object{}
	for name, d := range swagger.Definitions {
		definitions[name] = strict(d)
	}
	dir, kinds := t.TempDir(), 0
	save(t, filepath.Join(dir, "all.json"), object{"definitions": definitions})
	for name, d := range swagger.Definitions {
		is, _ := d["x-kubernetes-group-version-kind"].([]any)
		if len(is) != 1 {
			continue // options, which belong to every group
		}
		of, _ := is[0].(object)
		group, _ := of["group"].(string)
		version, _ := of["version"].(string)
		kind, _ := of["kind"].(string)
		file := strings.ToLower(kind) + "-" + version
		if group != "" {
			group, _, _ = strings.Cut(group, ".")
			file = strings.ToLower(kind) + "-" + group + "-" + version
		}
		save(t, filepath.Join(dir, file+".json"), object{"$ref": "all.json#/definitions/" + name})
		kinds++
	}
	if kinds < 100 {
		t.Fatalf("only %d kinds in Kubernetes' description of its API", kinds)
	}
	return dir
}

func save(t *testing.T, path string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// strict makes a schema of a definition: no field but those it lists, and null
// where the API server takes it.
func strict(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, x := range v {
			out = append(out, strict(x))
		}
		return out
	case object:
		if v["format"] == "int-or-string" {
			return object{"type": []string{"string", "integer"}}
		}
		if ref, ok := v["$ref"].(string); ok {
			return object{"$ref": "all.json" + ref}
		}
		out := object{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			switch {
			case key == "properties":
				out[key] = properties(v)
				if v["additionalProperties"] == nil {
					out["additionalProperties"] = false
				}
			case key == "format", key == "description", key == "default", strings.HasPrefix(key, "x-kubernetes-"):
			default:
				out[key] = strict(v[key])
			}
		}
		return out
	}
	return v
}

func properties(v object) object {
	all, _ := v["properties"].(object)
	required, _ := v["required"].([]any)
	out := object{}
	for name, p := range all {
		out[name] = strict(p)
		if !slices.Contains(required, any(name)) {
			out[name] = object{"anyOf": []any{out[name], object{"type": "null"}}}
		}
	}
	return out
}
