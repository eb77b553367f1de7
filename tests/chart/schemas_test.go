package chart

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/crds"
)

// kubernetes is the version whose schemas objects must fit.
const kubernetes = "v1.36.3"

func TestObjectsFitTheirSchemas(t *testing.T) {
	dir := schemas(t)
	var all strings.Builder
	for _, file := range values(t) {
		all.WriteString(render(t, file) + "\n---\n")
	}
	for _, release := range releases {
		all.WriteString(renderAs(t, release, "testdata/values/tls.yaml") + "\n---\n")
	}
	check := func(text string) (string, error) {
		return run(t, "kubeconform", []byte(text), "-strict", "-summary", "-schema-location", filepath.Join(dir, "{{.ResourceKind}}{{.KindSuffix}}.json"))
	}
	out, err := check(all.String())
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "Skipped: 0") {
		t.Errorf("not all objects were checked: %s", out)
	}
	t.Log(strings.TrimSpace(out))
	// What is wrong is found.
	text := render(t, "testdata/values/tls.yaml")
	wrongs := map[string]string{
		"terminationGracePeriodSeconds:": "terminationGraceSeconds:", // of pods
		"backendRefs:":                   "backends:",                // of routes
		"podMetricsEndpoints:":           "endpoints:",               // of monitors
		"expr:":                          "expression:",              // of rules
	}
	for field, wrong := range wrongs {
		text = strings.ReplaceAll(text, field, wrong)
	}
	out, err = check(text)
	if err == nil {
		t.Error("unknown fields are taken")
	}
	for _, wrong := range wrongs {
		if !strings.Contains(out, "'"+strings.TrimSuffix(wrong, ":")+"' not allowed") {
			t.Errorf("%s is taken:\n%s", wrong, out)
		}
	}
}

type object = map[string]any

// schemas makes JSON schemas of Kubernetes' own description of its API, one file
// for each kind, as kubeconform looks for them.
func schemas(t *testing.T) string {
	t.Helper()
	module, err := crds.Module(t.Context(), "k8s.io/kubernetes@"+kubernetes)
	if err != nil {
		t.Fatalf("Kubernetes' description of its API: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(module, "api", "openapi-spec", "swagger.json"))
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
		save(t, filepath.Join(dir, fileOf(group, version, kind)), object{"$ref": "all.json#/definitions/" + name})
		kinds++
	}
	if kinds < 100 {
		t.Fatalf("only %d kinds in Kubernetes' description of its API", kinds)
	}
	foreign(t, dir)
	return dir
}

// foreign does the same for kinds that Kubernetes itself does not have.
func foreign(t *testing.T, dir string) {
	t.Helper()
	files, err := crds.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range objects(t, string(text)) {
			group, _ := at(d, "spec", "group").(string)
			kind, _ := at(d, "spec", "names", "kind").(string)
			for _, v := range list(at(d, "spec", "versions")) {
				version, _ := at(v, "name").(string)
				save(t, filepath.Join(dir, fileOf(group, version, kind)), strict(at(v, "schema", "openAPIV3Schema")))
			}
		}
	}
}

// fileOf is the name that kubeconform gives to the schema of a kind.
func fileOf(group, version, kind string) string {
	file := strings.ToLower(kind) + "-"
	if group != "" {
		group, _, _ = strings.Cut(group, ".")
		file += group + "-"
	}
	return file + version + ".json"
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
