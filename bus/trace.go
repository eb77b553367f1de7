package bus

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Tracer is told of the work on calls that an identity does or has done, when it is
// done. Nothing is carried along with messages: the ids that are in them say what
// belongs together (see Span). Methods may be called from any goroutine and must
// not block.
type Tracer interface{ Trace(Span) }

// Part is a sort of work.
type Part string

// The sorts of work.
const (
	// PartCall is a whole call, told by its owner when it is over.
	PartCall Part = "call"
	// PartCommand, PartEvent, PartMedia and PartDirectory are requests.
	PartCommand   Part = "command"
	PartEvent     Part = "event"
	PartMedia     Part = "media"
	PartDirectory Part = "directory"
	// PartJournal is a commit.
	PartJournal Part = "journal"
)

// Span is one piece of work on a call. It holds ids and names of closed sets, never
// an address, a description or a credential.
type Span struct {
	Part Part
	// Served: the identity did the work; otherwise it asked for it and waited.
	Served bool
	// Name is what was done: "offer", "incoming", "make_answer".
	Name string
	// Call is the call's id; Leg the leg's, if it was about one.
	Call, Leg string
	// ID names the request among those of its part and call. Who asked and who
	// served tell the same; a request that is repeated has it too.
	ID string
	// Command is the id of the command in whose course it was done; empty if there
	// was none, or for the command itself.
	Command string
	// Peer is the kind that was asked, or that asked, where that is known.
	Peer string
	// Outcome is "ok", a code, or what became of the request; of a call its reason.
	Outcome string
	// Final: it will not be repeated.
	Final        bool
	Began, Ended time.Time
	// Stages are a whole call's.
	Stages []Stage
}

// Stage is a moment of a call.
type Stage struct {
	Name string
	At   time.Time
}

// Traced gives the same bus with a tracer; nil for none.
func (b *Bus) Traced(t Tracer) *Bus {
	traced := *b
	traced.tracer = t
	return &traced
}

// Tracing reports whether there is a tracer.
func (b *Bus) Tracing() bool { return b.tracer != nil }

// Trace tells the tracer, if there is one, of what no request shows: a whole call.
func (b *Bus) Trace(s Span) {
	if b.tracer != nil {
		b.tracer.Trace(s)
	}
}

// About says for which command of which call questions and commits under ctx are.
// Without a tracer it gives ctx itself.
func (b *Bus) About(ctx context.Context, call, command string) context.Context {
	if b.tracer == nil {
		return ctx
	}
	return context.WithValue(ctx, subjectKey{}, subject{call, command})
}

type (
	subjectKey struct{}
	subject    struct{ call, command string }
)

func subjectOf(ctx context.Context) subject {
	s, _ := ctx.Value(subjectKey{}).(subject)
	return s
}

// asked begins the span of a request; the returned func ends it with what became of
// it. There is a tracer.
func (b *Bus) asked(describe func() Span) func(failure *callv1.Error, err error) {
	began := time.Now()
	return func(failure *callv1.Error, err error) {
		s := describe()
		s.Began, s.Ended = began, time.Now()
		s.Outcome, s.Final = outcomeOf(failure, err)
		b.tracer.Trace(s)
	}
}

// served gives a responder that also tells the tracer, which there is.
func served[R interface{ GetError() *callv1.Error }](b *Bus, respond func(R), describe func() Span) func(R) {
	began := time.Now()
	return func(r R) {
		s := describe()
		s.Served, s.Began, s.Ended = true, began, time.Now()
		s.Outcome, s.Final = outcomeOf(r.GetError(), nil)
		b.tracer.Trace(s)
		respond(r)
	}
}

// outcomeOf names what became of a request, and says whether it is over.
func outcomeOf(failure *callv1.Error, err error) (outcome string, final bool) {
	var coded *schema.Error
	switch {
	case errors.Is(err, ErrNoResponders):
		return "no-responders", false
	case errors.Is(err, ErrTimeout):
		return "timeout", false
	case errors.As(err, &coded):
		return schema.CodeName(coded.Code), true
	case err != nil:
		return "failed", false
	case failure == nil:
		return "ok", true
	}
	code := failure.GetCode()
	return schema.CodeName(code), code != callv1.Code_CODE_RETRY && code != callv1.Code_CODE_REDIRECTED
}

// body names what is in a message's oneof.
func body(m proto.Message, oneof protoreflect.Name) string {
	r := m.ProtoReflect()
	if o := r.Descriptor().Oneofs().ByName(oneof); o != nil {
		if f := r.WhichOneof(o); f != nil {
			return string(f.Name())
		}
	}
	return "none"
}
