package natsconf

import (
	"crypto/rand"
	"fmt"
	"net"
	"strconv"
)

// Files of the server, beside the keys.
const (
	accountsFile = "accounts.conf"
	serverFile   = "nats.conf"
	routesFile   = "routes"
)

// RoutesSecret is the file with the password by which a cluster's servers meet.
const RoutesSecret = routesFile + passwordEnding

// nameVariable is the environment variable by which each server of a cluster is
// told its name, so that all can have the same configuration.
const nameVariable = "NATS_SERVER_NAME"

// server renders the configuration of a server that serves this exchange alone.
func (p *Plan) server(k keys) (string, error) {
	w := &writer{}
	w.line("# NATS for a Tandem exchange. Made by \"tandem nats-config\": make it anew instead of")
	w.line("# changing it.")
	if len(p.Servers) > 1 {
		w.line("# Each server needs its own name, one of those in the routes, in $" + nameVariable + ".")
	}
	w.line("")
	if len(p.Servers) > 1 {
		w.line("server_name: $" + nameVariable)
		w.line("")
		w.line("# A server that hangs holds calls up until the others leave it: after 15 seconds,")
		w.line("# by default minutes.")
		w.line(`ping_interval: "5s"`)
		w.line("ping_max: 2")
		w.line("")
	}
	w.line("listen: " + quote(p.Listen))
	if p.Monitor != "" {
		w.line("http: " + quote(p.Monitor))
	}
	w.line("max_payload: 4MB")
	w.line("jetstream { store_dir: " + quote(p.StoreDir) + " }")
	w.line("include " + accountsFile)
	if p.Cert != "" {
		w.line("")
		w.line("# Read again on SIGHUP (nats-server --signal reload); connections stay.")
		w.open("tls {")
		p.certificate(w)
		w.close("}")
	}
	if len(p.Servers) > 1 {
		if err := p.cluster(w, k); err != nil {
			return "", err
		}
	}
	return w.String(), nil
}

// cluster renders how the servers of a cluster meet.
func (p *Plan) cluster(w *writer, k keys) error {
	secret, err := k.secret(routesFile+passwordEnding, func() (string, error) { return rand.Text(), nil })
	if err != nil {
		return err
	}
	w.line("")
	w.open("cluster {")
	w.line(`name: "tandem"`)
	w.line("listen: " + quote(p.Routes))
	w.line(`authorization { user: "tandem", password: ` + strconv.Quote(secret) + ", timeout: 5 }")
	routes := make([]string, 0, len(p.Servers))
	for _, s := range p.Servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			_, port, _ := net.SplitHostPort(p.Routes) // valid
			s = net.JoinHostPort(s, port)
		}
		routes = append(routes, quote(fmt.Sprintf("nats://tandem:%s@%s", secret, s)))
	}
	w.items("routes: [", routes, "]")
	if p.Cert != "" {
		w.open("tls {")
		p.certificate(w)
		if p.CA != "" {
			w.line("ca_file: " + quote(p.CA))
			w.line("verify: true")
		}
		w.close("}")
	}
	w.close("}")
	return nil
}

func (p *Plan) certificate(w *writer) {
	w.line("cert_file: " + quote(p.Cert))
	w.line("key_file: " + quote(p.Key))
}
