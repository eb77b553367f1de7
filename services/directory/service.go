package directory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory/attempts"
	"github.com/tandem-rtc/tandem/services/directory/internal/webhook"
)

// Env is what the directory runs on.
type Env struct {
	// Bus serves the questions and holds the bucket.
	Bus *bus.Bus
	// Log gets one line per thing that happened, without credentials.
	Log *slog.Logger
	// Tokens checks the tokens of Config.JWT; nil if there are no issuers. Run
	// runs it.
	Tokens TokenVerifier
	// Metrics takes what is counted; nil for nobody.
	Metrics Metrics
}

// Service is one directory node.
type Service struct {
	cfg     Config
	bus     *bus.Bus
	log     *slog.Logger
	cache   *cache
	metrics Metrics
	tokens  TokenVerifier
	limiter *attempts.Limiter
	nobody  ha1 // random: compared with for accounts that do not exist
	store   store
	waker   *waker // nil if nobody is woken

	// tokenLimiter counts wrong tokens, apart from accounts: whoever makes tokens
	// up could crowd those out.
	tokenLimiter *attempts.Limiter
	// fetching are sign-ins that wait for keys, writing what waits for the bucket. The
	// former are fewer than an adapter has out at once: whoever makes key ids up leaves
	// room for others.
	fetching, writing *lane

	mu      sync.Mutex
	serving bool
}

// errKeep ends a write that is not to happen.
var errKeep = errors.New("directory: kept as it is")

// New makes a directory node without any I/O. It fails on a configuration that
// Validate refuses.
func New(cfg Config, env Env) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	if env.Bus == nil || env.Log == nil {
		return nil, errors.New("directory: Env needs a bus and a logger")
	}
	if len(cfg.JWT) > 0 && env.Tokens == nil {
		return nil, errors.New("directory: Env needs a verifier for the issuers in jwt")
	}
	s := &Service{
		cfg: cfg, bus: env.Bus, log: env.Log, cache: newCache(), metrics: env.Metrics, tokens: env.Tokens,
		limiter:      attempts.New(cfg.FailedSignIns, cfg.FailedSignInsPerMinute),
		tokenLimiter: attempts.New(cfg.FailedSignIns, cfg.FailedSignInsPerMinute),
	}
	if s.metrics == nil {
		s.metrics = noMetrics{}
	}
	_, _ = rand.Read(s.nobody[:]) // never fails
	return s, nil
}

// Run loads the directory, seeds it, calls ready once questions are answered,
// and serves until ctx ends, which is no error. All its goroutines have ended
// when it returns. It may be called once.
func (s *Service) Run(parent context.Context, ready func()) error {
	book, err := s.cfg.compile()
	if err != nil {
		return fmt.Errorf("directory: %w", err)
	}
	kv, err := s.open(parent)
	if parent.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("directory: opening its bucket: %w", err)
	}
	ctx, cancel := context.WithCancelCause(parent)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil)
	running.Go(func() { // ends with ctx, or ends it
		err := kv.Watch(ctx, ">", s.take)
		if ctx.Err() == nil {
			cancel(fmt.Errorf("directory: watching its bucket: %w", err))
		}
	})
	s.store = store{kv: kv, cfg: s.cfg}
	if err := s.load(ctx, book); err != nil {
		return ended(parent, ctx, err)
	}
	if err := s.startHelpers(ctx, &running); err != nil {
		return ended(parent, ctx, err)
	}
	return ended(parent, ctx, s.serve(ctx, ready, &running))
}

// startHelpers starts what works beside the answers; all of it ends with ctx.
func (s *Service) startHelpers(ctx context.Context, running *sync.WaitGroup) error {
	s.fetching, s.writing = newLane(max(1, s.cfg.Queue/4), running), newLane(maxWriters, running)
	if s.tokens != nil {
		running.Go(func() { s.tokens.Run(ctx) })
	}
	running.Go(func() { s.keepDevicesClean(ctx) })
	w := s.cfg.Wake
	if w.URL == "" {
		return nil
	}
	sent, err := s.bus.Driver().KV(ctx, bus.KVConfig{Bucket: wakeBucket, Memory: true, TTL: wakeMemory})
	if err != nil {
		return fmt.Errorf("directory: opening the bucket of wakes: %w", err)
	}
	hook := webhook.New(webhook.Config{URL: w.URL, Secret: w.Secret, Timeout: w.Timeout, Tries: w.Tries, Connections: w.Workers})
	s.waker = &waker{s: s, hook: hook, sent: sent, queue: make(chan *wakeJob, w.Queue)}
	for range w.Workers {
		running.Go(func() { s.waker.run(ctx) })
	}
	running.Go(func() {
		<-ctx.Done()
		hook.Close()
	})
	return nil
}

// maxWriters bounds the questions that wait for a write.
const maxWriters = 256

// ended gives the error of a Run: none once its caller ended it, the watcher's
// if that failed, err otherwise.
func ended(parent, ctx context.Context, err error) error {
	switch {
	case parent.Err() != nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// load waits for the first full view, seeds, and waits until the seed is seen.
func (s *Service) load(ctx context.Context, b *book) error {
	if err := s.cache.await(ctx, 0); err != nil {
		return err
	}
	changes, err := s.seed(ctx, b)
	if err != nil || changes == 0 {
		return err
	}
	return s.catchUp(ctx)
}

// catchUp waits until everything written before the call is seen. It writes a
// marker and waits for that, since the last write of all may have been a
// removal that no full view shows.
func (s *Service) catchUp(ctx context.Context) error {
	last, err := s.store.kv.Put(ctx, syncPrefix+s.bus.Node(), nil)
	if err != nil {
		return fmt.Errorf("directory: writing its bucket: %w", err)
	}
	return s.cache.await(ctx, last)
}

func (s *Service) take(e bus.Entry) bool {
	if bad := s.cache.apply(e); bad != "" {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "unreadable directory entry", slog.String("key", bad))
	}
	return true
}

// serve answers questions until ctx ends.
func (s *Service) serve(ctx context.Context, ready func(), running *sync.WaitGroup) error {
	queues := newQueues(s.cfg.Queue)
	queues.run(s.cfg.Workers, running, func(w question) { s.answer(ctx, w) })
	defer queues.close()
	sub, err := s.bus.ServeDirectory(func(from *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
		if of, ok := queues.put(question{from, q, respond}); !ok {
			s.metrics.Refused(of)
			respond(&callv1.DirectoryReply{Error: errBusy.Proto()})
		}
	})
	if err != nil {
		return fmt.Errorf("directory: serving questions: %w", err)
	}
	defer sub.Stop() // before the queues are closed: no handler runs after it
	s.setServing(true)
	defer s.setServing(false)
	ready()
	<-ctx.Done()
	return nil
}

func (s *Service) setServing(v bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = v
}

// answer answers one question. It does not block: what has to wait goes on by
// itself.
func (s *Service) answer(ctx context.Context, w question) {
	reply := &callv1.DirectoryReply{}
	var err error
	switch body := w.q.GetBody().(type) {
	case *callv1.DirectoryRequest_Authenticate:
		s.authenticate(ctx, w)
		return
	case *callv1.DirectoryRequest_Resolve:
		reply.Party, err = s.resolve(body.Resolve.GetAddress())
		reply.Wakes = err == nil && s.wakes(reply.GetParty().GetSubscriber())
	case *callv1.DirectoryRequest_Domain:
		if !slices.Contains(s.cfg.Domains, body.Domain.GetName()) {
			err = errNotServed
		}
	case *callv1.DirectoryRequest_Phone:
		err = s.phone(body.Phone.GetSubscriber(), reply)
	case *callv1.DirectoryRequest_Wake:
		err = s.wake(body.Wake, reply)
	case *callv1.DirectoryRequest_PutDevice:
		if s.writing.run(func() {
			err := s.putDevice(ctx, body.PutDevice, time.Now())
			w.respond(&callv1.DirectoryReply{Error: schema.ToProto(err)})
		}) {
			return
		}
		err = errBusy
	default:
		err = errQuestion
	}
	reply.Error = schema.ToProto(err)
	w.respond(reply)
}

// logSignIn writes one line per sign-in: who, from where, and never with what.
func (s *Service) logSignIn(ctx context.Context, from *callv1.Identity, c *callv1.Credentials, p *callv1.Principal, err error) {
	attrs := []slog.Attr{slog.String("kind", from.GetKind()), slog.String("node", from.GetNode())}
	if a := c.GetHa1().GetAccount(); a != "" {
		attrs = append(attrs, slog.String("account", schema.CleanText(a, maxName)))
	}
	if n := c.GetBearer().GetMsisdn(); n != "" {
		attrs = append(attrs, slog.String("msisdn", schema.CleanText(n, maxName)))
	}
	if a := c.GetAsserted().GetAddress(); a != "" {
		attrs = append(attrs, slog.String("address", schema.CleanText(a, maxName)))
	}
	if err == nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "sign-in", append(attrs, slog.String("subscriber", p.GetSubscriber()))...)
		return
	}
	level := slog.LevelInfo
	if schema.CodeOf(err) == callv1.Code_CODE_RATE_LIMITED {
		level = slog.LevelDebug // a flood of tries is not to flood the log
	}
	s.log.LogAttrs(ctx, level, "sign-in refused", append(attrs, slog.String("code", schema.CodeOf(err).String()), slog.Any("error", err))...)
}
