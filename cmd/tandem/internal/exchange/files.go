package exchange

import (
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
)

// A process that has no file left can write nothing down, and a journal that has met
// that once stays closed: so connections leave some.

// spare is how many files are kept for everything but the ports of strangers; an
// eighth of all, if that is more.
const spare = 2048

// sockets is a configuration of a port of strangers.
type sockets interface {
	// Sockets is how many connections it may have.
	Sockets() int
	// Share has it take them out of what all ports may have together.
	Share(b *port.Budget)
}

// shareFiles has the ports take no more connections together than files are there
// for; 0 is as many as anybody likes.
func (x *Exchange) shareFiles(files int) {
	if files <= 0 {
		return
	}
	var ports []sockets
	for _, a := range x.cfg.Adapters {
		if s, ok := a.Config.(sockets); ok && x.cfg.Has(a.Spec.Kind) {
			ports = append(ports, s)
		}
	}
	if x.cfg.Has(config.RoleConsole) && !x.pageOnAdapter() {
		ports = append(ports, &x.cfg.Console)
	}
	wanted := 0
	for _, p := range ports {
		wanted += p.Sockets()
	}
	there := max(files-max(spare, files/8)-x.cfg.Admin.MaxConnections, files/2)
	if wanted <= there {
		return
	}
	budget := port.NewBudget(there, len(ports))
	for _, p := range ports {
		p.Share(budget)
	}
	x.log.Info("the ports take fewer connections together than configured: this process may not open more files",
		"files", files, "connections", there, "configured", wanted)
}
