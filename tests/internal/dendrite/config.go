package dendrite

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// Secret lets whoever knows it make users.
const Secret = "what registers users in tests"

// sqlite has the databases keep a log that readers do not wait for, and not wait for
// the disk: a process that is killed loses nothing by that, only a machine would.
// Dendrite takes the path of the address alone, so the question mark is part of it.
const sqlite = "%3F_journal_mode=WAL&_synchronous=OFF"

// config gives the server's configuration. It is JSON, which is YAML too.
func (o Options) config(name, dir string) ([]byte, error) {
	type object = map[string]any
	database := func(component string) object {
		return object{"connection_string": "file:" + filepath.Join(dir, component+".db") + sqlite}
	}
	component := func(name string, more object) object {
		c := object{"database": database(name)}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
	level := o.LogLevel
	if level == "" {
		level = "info"
	}
	out, err := json.MarshalIndent(object{
		"version": 2,
		"global": object{
			"server_name":        name,
			"private_key":        filepath.Join(dir, keyFile),
			"disable_federation": true,
			"jetstream":          object{"in_memory": !o.Durable, "storage_path": filepath.Join(dir, "jetstream")},
			"cache":              object{"max_size_estimated": "64mb"},
		},
		"app_service_api": object{"config_files": append([]string{}, o.Registrations...)},
		"client_api": object{
			"registration_disabled":      true,
			"registration_shared_secret": Secret,
			// It would not limit application services anyway.
			"rate_limiting": object{"enabled": false},
		},
		"federation_api": component("federation", nil),
		"key_server":     component("keys", nil),
		"media_api":      component("media", object{"base_path": filepath.Join(dir, "media")}),
		"mscs":           component("mscs", nil),
		"relay_api":      component("relay", nil),
		"room_server":    component("rooms", nil),
		"sync_api":       component("sync", object{"search": object{"enabled": false}}),
		"user_api": object{
			"bcrypt_cost":      4, // the cheapest there is
			"account_database": database("accounts"),
			"device_database":  database("devices"),
		},
		"logging": []object{{"type": "std", "level": level}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("configuration of the homeserver: %w", err)
	}
	return out, nil
}
