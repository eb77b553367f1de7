package bustest

import (
	"bytes"
	"context"
	"sync"

	"github.com/tandem-rtc/tandem/bus"
)

func requestCases() []func(*env) {
	return []func(*env){
		answerComesBack, noRespondersAtOnce, timeoutWithoutAnswer, cancelEndsRequest, endedContextSendsNothing,
		firstAnswerCounts, answerMayComeLaterFromAnywhere, lateAnswerReachesNoOtherRequest,
		publicationHasNoAnswer, handlerOwnsData, payloadUpToTheLimit, invalidSubjectsAreRefused, requestsRunSideBySide,
	}
}

func echo(m bus.Msg) { m.Respond(m.Data) }

func answerComesBack(e *env) {
	e.serve(e.connect(), "a.b", "", func(m bus.Msg) { m.Respond([]byte(m.Subject + " " + string(m.Data))) })
	got, err := e.connect().Request(e.ctx, "a.b", []byte("hello"))
	e.ok(err)
	e.equal(string(got), "a.b hello")
	got, err = e.connect().Request(e.ctx, "a.b", nil)
	e.ok(err)
	e.equal(string(got), "a.b ")
}

func noRespondersAtOnce(e *env) {
	d := e.connect()
	s := e.serve(e.connect(), "a.b", "", echo)
	_, err := d.Request(e.ctx, "a.c", nil)
	e.fails(err, bus.ErrNoResponders)
	s.Stop()
	_, err = d.Request(e.ctx, "a.b", nil)
	e.fails(err, bus.ErrNoResponders)
	e.ok(e.ctx.Err())
}

func timeoutWithoutAnswer(e *env) {
	e.serve(e.connect(), "a", "", func(bus.Msg) {})
	_, err := e.connect().Request(e.soon(), "a", nil)
	e.fails(err, bus.ErrTimeout, context.DeadlineExceeded)
}

func cancelEndsRequest(e *env) {
	got := make(chan struct{})
	e.serve(e.connect(), "a", "", func(bus.Msg) { close(got) })
	ctx, cancel := context.WithCancel(e.ctx)
	go func() { <-got; cancel() }()
	_, err := e.connect().Request(ctx, "a", nil)
	e.fails(err, context.Canceled)
}

func endedContextSendsNothing(e *env) {
	got := make(chan bus.Msg, 1)
	e.serve(e.connect(), "a", "", func(m bus.Msg) { got <- m })
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := e.connect().Request(ctx, "a", nil)
	e.fails(err, context.Canceled)
	none(e, got)
}

func firstAnswerCounts(e *env) {
	slow := make(chan func([]byte), 1)
	e.serve(e.connect(), "a", "", func(m bus.Msg) { slow <- m.Respond })
	e.serve(e.connect(), "a", "", func(m bus.Msg) { m.Respond([]byte("fast")) })
	got, err := e.connect().Request(e.ctx, "a", nil)
	e.ok(err)
	e.equal(string(got), "fast")
	next(e, slow)([]byte("slow")) // goes nowhere
}

func answerMayComeLaterFromAnywhere(e *env) {
	waiting := make(chan func([]byte), 1)
	e.serve(e.connect(), "a", "", func(m bus.Msg) { waiting <- m.Respond })
	go func() { next(e, waiting)([]byte("late")) }()
	got, err := e.connect().Request(e.ctx, "a", nil)
	e.ok(err)
	e.equal(string(got), "late")
}

func lateAnswerReachesNoOtherRequest(e *env) {
	waiting := make(chan func([]byte), 2)
	e.serve(e.connect(), "slow", "", func(m bus.Msg) { waiting <- m.Respond })
	e.serve(e.connect(), "fast", "", echo)
	d := e.connect()
	_, err := d.Request(e.soon(), "slow", nil)
	e.fails(err, bus.ErrTimeout)
	next(e, waiting)([]byte("too late"))
	for range 100 {
		got, err := d.Request(e.ctx, "fast", []byte("right"))
		e.ok(err)
		e.equal(string(got), "right")
	}
}

func publicationHasNoAnswer(e *env) {
	got := make(chan bus.Msg, 1)
	e.serve(e.connect(), "a", "", func(m bus.Msg) { m.Respond([]byte("ignored")); got <- m })
	d := e.connect()
	e.ok(d.Publish("a", []byte("news")))
	e.equal(string(next(e, got).Data), "news")
	e.ok(d.Publish("nobody.listens", nil))
}

func handlerOwnsData(e *env) {
	got := make(chan []byte, 2)
	overwrite := func(m bus.Msg) {
		was := bytes.Clone(m.Data)
		clear(m.Data)
		got <- was
	}
	d := e.connect()
	e.serve(e.connect(), "a", "", overwrite)
	e.serve(d, "a", "", overwrite)
	data := []byte("mine")
	e.ok(d.Publish("a", data))
	e.equal(string(next(e, got)), "mine")
	e.equal(string(next(e, got)), "mine")
	e.equal(string(data), "mine")
}

func payloadUpToTheLimit(e *env) {
	e.serve(e.connect(), "a", "", func(m bus.Msg) { m.Respond(m.Data) })
	d := e.connect()
	big := bytes.Repeat([]byte{7}, bus.MaxPayload)
	got, err := d.Request(e.ctx, "a", big)
	e.ok(err)
	e.equal(bytes.Equal(got, big), true)
	_, err = d.Request(e.ctx, "a", append(big, 7))
	e.fails(err, bus.ErrTooLarge)
	e.fails(d.Publish("a", append(big, 7)), bus.ErrTooLarge)
}

func invalidSubjectsAreRefused(e *env) {
	d := e.connect()
	for _, s := range []string{"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\r\nb", "a.*", "a.>", "*", ">"} {
		_, err := d.Request(e.ctx, s, nil)
		e.fails(err, bus.ErrInvalid)
		e.fails(d.Publish(s, nil), bus.ErrInvalid)
		_, err = d.Records().Commit(e.ctx, bus.Write{Subject: s})
		e.fails(err, bus.ErrInvalid)
	}
	for _, s := range []string{"", "a.", "a..b", "a b", "a.>.b"} {
		_, err := d.Records().Load(e.ctx, s)
		e.fails(err, bus.ErrInvalid)
		_, err = d.Serve(s, "", echo)
		e.fails(err, bus.ErrInvalid)
		e.fails(d.Records().Scan(e.ctx, s, nil), bus.ErrInvalid)
	}
}

func requestsRunSideBySide(e *env) {
	server := e.connect()
	e.serve(server, "echo.*", "", func(m bus.Msg) { go m.Respond(m.Data) })
	var running sync.WaitGroup
	for range 4 {
		d := e.connect()
		for i := range 16 {
			running.Go(func() {
				data := bytes.Repeat([]byte{byte(i)}, i*50)
				for range 50 {
					got, err := d.Request(e.ctx, "echo.x", data)
					if err != nil || !bytes.Equal(got, data) {
						e.t.Errorf("got %d bytes, %v", len(got), err)
						return
					}
				}
			})
		}
	}
	running.Wait()
}
