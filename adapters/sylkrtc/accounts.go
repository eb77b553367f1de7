package sylkrtc

import (
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// account is one account of a connection.
type account struct {
	p           *peer
	name        string // as the client writes it; every event repeats it
	aor         schema.Address
	credentials *callv1.Credentials
	displayName string
	prefixes    []string
	line        *line  // messaging's: the one that it is a member of
	guestID     string // the request goroutine's: its subscriber as a guest, once it was one

	// Written by the connection's request goroutine with p.mu held.
	principal *callv1.Principal // nil until the directory has verified it
	verified  time.Time         // when it did so last
	terminal  *callv1.Terminal  // nil until attached
	detach    func(kit.DetachReason)
	rings     bool
	told      registrationState // the last one
}

func (a *account) canRing() bool {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	return a.rings
}

// account finds an account by any spelling of its name.
func (p *peer) account(name string) *account {
	aor, ok := parseAOR(name)
	if !ok {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accounts[aor.String()]
}

func unknownAccount(transaction, name string) failure {
	return failure{transaction, "Unknown account specified: " + printable(name)}
}

// addAccount takes an account in: its domain must be served here, unless guests
// may call, and it must be new on this connection. Its password is verified when it is needed.
func (p *peer) addAccount(transaction string, r *accountAdd) {
	aor, _ := parseAOR(r.account) // the parser has checked it
	served, err := p.a.host.ServesDomain(p.ctx, aor.Domain())
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.accounts[aor.String()] != nil:
		p.send(failure{transaction, "Account " + printable(r.account) + " already added"})
		return
	case err != nil:
		p.send(failure{transaction, errorText(err)})
		return
	case !served && p.a.cfg.AuthForCalls: // else it can place calls as a guest
		p.send(failure{transaction, "SIP domain not allowed: " + printable(aor.Domain())})
		return
	case len(p.accounts) >= p.a.cfg.MaxAccounts:
		p.a.host.Metrics().Count("accounts_refused", 1)
		p.send(failure{transaction, "Too many accounts"})
		return
	}
	if p.accounts == nil {
		p.accounts = map[string]*account{}
	}
	p.accounts[aor.String()] = &account{
		p: p, name: r.account, aor: aor, credentials: credentialsOf(aor, r.password),
		displayName: r.displayName, prefixes: r.headerPrefixes,
	}
	p.a.log.Info("account added", "remote", p.remote, "account", aor.AOR(), "user_agent", r.userAgent)
	p.send(ack{transaction})
}

// removeAccount forgets an account. Its sessions end as if hung up.
func (p *peer) removeAccount(transaction, name string) {
	a := p.account(name)
	if a == nil {
		p.send(unknownAccount(transaction, name))
		return
	}
	p.mu.Lock()
	delete(p.accounts, a.aor.String())
	var over []any
	for _, s := range p.sessions {
		if s.account == a && s.state != terminated {
			unanswered := s.unanswered()
			p.end(s)
			over = append(over, sessionState{session: s.id, state: terminated,
				reason: ownEndText(callv1.Reason_REASON_UNSPECIFIED, s.side, unanswered)})
		}
	}
	p.mu.Unlock()
	p.drop(a, kit.SignedOut)
	p.a.log.Info("account removed", "remote", p.remote, "account", a.aor.AOR())
	p.send(ack{transaction})
	for _, m := range over {
		p.send(m)
	}
}

// register verifies an account and makes calls for it ring here.
func (p *peer) register(transaction, name string) {
	a := p.account(name)
	if a == nil {
		p.send(unknownAccount(transaction, name))
		return
	}
	p.send(ack{transaction})
	p.tell(a, registrationState{account: a.name, state: registering})
	if err := p.registerAs(a); err != nil {
		p.a.log.Info("registration failed", "remote", p.remote, "account", a.aor.AOR(), "error", err)
		p.registrationLost(a, schema.CodeOf(err))
		p.tell(a, registrationState{account: a.name, state: failed, reason: refusedRegistration(schema.CodeOf(err))})
	}
}

// registrationLost ends what an earlier registration has left. While the bus is
// away the table cannot be told; a call that comes is refused all the same.
func (p *peer) registrationLost(a *account, why callv1.Code) {
	if why != callv1.Code_CODE_RETRY {
		p.a.messaging.gone(a)
		if err := p.unring(a); err == nil {
			return
		}
	}
	p.mu.Lock()
	a.rings = false
	p.mu.Unlock()
}

func (p *peer) registerAs(a *account) error {
	principal, err := p.verify(a)
	if err != nil {
		return err
	}
	settle := p.a.terminals.begin(principal.GetSubscriber())
	defer settle()
	if err := p.attach(a, principal, true); err != nil {
		return err
	}
	p.a.messaging.join(a) // what is told to the account from now on is told here
	// Told before a call can ring, which waits for settle.
	p.tell(a, registrationState{account: a.name, state: registered})
	p.mu.Lock()
	a.rings = true
	p.mu.Unlock()
	p.a.log.Info("registered", "remote", p.remote, "account", a.aor.AOR(), "terminal", a.terminal.GetId())
	p.a.messaging.registered(a)
	return nil
}

// unregister stops calls from ringing here. No event tells it.
func (p *peer) unregister(transaction, name string) {
	a := p.account(name)
	if a == nil {
		p.send(unknownAccount(transaction, name))
		return
	}
	if err := p.unring(a); err != nil {
		p.send(failure{transaction, errorText(err)})
		return
	}
	p.a.messaging.unregistered(a)
	p.a.log.Info("unregistered", "remote", p.remote, "account", a.aor.AOR())
	p.send(ack{transaction})
}

func (p *peer) unring(a *account) error {
	p.mu.Lock()
	was := a.rings
	a.rings = false // from now on, whatever becomes of the update
	p.mu.Unlock()
	if !was {
		return nil
	}
	return p.attach(a, &callv1.Principal{Subscriber: a.terminal.GetSubscriber()}, false)
}

// tell sends a registration state; one that the client was told last is not
// repeated.
func (p *peer) tell(a *account, s registrationState) {
	if a.told != s {
		a.told = s
		p.send(s)
	}
}

// verify has the directory check the account's credentials.
func (p *peer) verify(a *account) (*callv1.Principal, error) {
	principal, err := p.a.host.Authenticate(p.ctx, a.credentials)
	if err == nil && !holds(principal.GetParty(), a.aor) {
		// A token of somebody's proves nothing about another's account.
		err = schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "the credentials are not this account's")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if schema.CodeOf(err) != callv1.Code_CODE_RETRY {
			a.principal = nil
		}
		return nil, err
	}
	a.principal, a.verified = principal, time.Now()
	p.trust()
	return principal, nil
}

// known gives who an account is, verified not too long ago: passwords are changed,
// tokens expire and are revoked. What is found out then also ends a registration.
func (p *peer) known(a *account) (*callv1.Principal, error) {
	if p.verifiedLately(a) {
		return a.principal, nil
	}
	principal, err := p.verify(a)
	if code := schema.CodeOf(err); err != nil && code != callv1.Code_CODE_RETRY && a.canRing() {
		p.a.log.Info("registration ended", "remote", p.remote, "account", a.aor.AOR(), "error", err)
		p.registrationLost(a, code)
		p.tell(a, registrationState{account: a.name, state: failed, reason: refusedRegistration(code)})
	}
	return principal, err
}

func (p *peer) verifiedLately(a *account) bool {
	return a.principal != nil && time.Since(a.verified) < p.a.cfg.Reauthenticate
}

// caller makes an account able to place calls: verified, and attached so that
// the events of its calls come here.
func (p *peer) caller(a *account) (*callv1.Principal, error) {
	principal, err := p.known(a)
	if schema.CodeOf(err) == callv1.Code_CODE_UNAUTHENTICATED && !p.a.cfg.AuthForCalls {
		principal, err = p.guest(a)
	}
	if err != nil {
		return nil, err
	}
	return principal, p.attached(a, principal)
}

// attached makes the account's terminal, if it has none of that subscriber. An
// account that is registered stays so when its address is another's now.
func (p *peer) attached(a *account, principal *callv1.Principal) error {
	if a.terminal != nil && a.terminal.GetSubscriber() == principal.GetSubscriber() {
		return nil
	}
	rings := a.canRing()
	settle := p.a.terminals.begin(principal.GetSubscriber())
	defer settle()
	if err := p.attach(a, principal, rings); err != nil || !rings {
		return err
	}
	p.mu.Lock()
	a.rings = true
	p.mu.Unlock()
	p.a.messaging.registered(a)
	return nil
}

// attach makes the account's terminal, or changes it.
func (p *peer) attach(a *account, principal *callv1.Principal, rings bool) error {
	if a.terminal != nil && a.terminal.GetSubscriber() != principal.GetSubscriber() {
		p.drop(a, kit.SignedOut) // the account belongs to somebody else now
	}
	t := &callv1.Terminal{
		Id: a.terminal.GetId(), Subscriber: principal.GetSubscriber(), Rings: rings,
		Features: features(p.v, p.a.cfg.ResumeCalls),
	}
	fresh := t.GetId() == ""
	if fresh {
		t.Id = schema.NewID()
		p.a.terminals.add(t.GetId(), a) // first: events may come before Attach returns
	}
	attached, detach, err := p.a.host.Attach(p.ctx, t)
	if err != nil {
		if fresh {
			p.a.terminals.remove(t.GetId())
		}
		return err
	}
	p.mu.Lock()
	a.terminal, a.detach = attached, detach
	p.mu.Unlock()
	return nil
}

// drop detaches an account's terminal, if there is one, and forgets it.
func (p *peer) drop(a *account, why kit.DetachReason) {
	p.mu.Lock()
	id, detach := a.terminal.GetId(), a.detach
	a.terminal, a.detach, a.rings = nil, nil, false
	p.mu.Unlock()
	if detach != nil {
		p.a.terminals.remove(id)
		p.a.messaging.gone(a)
		detach(why)
	}
}

// detachAll detaches every terminal that the connection has. Accounts keep what
// they know of them: a request may still be under way.
func (p *peer) detachAll(why kit.DetachReason) {
	type attached struct {
		account *account
		id      string
		detach  func(kit.DetachReason)
	}
	p.mu.Lock()
	all := make([]attached, 0, len(p.accounts))
	for _, a := range p.accounts {
		if a.detach != nil {
			all = append(all, attached{a, a.terminal.GetId(), a.detach})
		}
	}
	p.mu.Unlock()
	for _, t := range all {
		p.a.terminals.remove(t.id)
		p.a.messaging.gone(t.account)
		t.detach(why)
	}
}
