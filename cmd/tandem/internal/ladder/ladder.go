package ladder

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Write writes a call's header and ladder. now is for calls that still last.
func Write(w io.Writer, c *callv1.CallRecord, now time.Time) error {
	b := &strings.Builder{}
	head(b, c, now)
	legs(b, c)
	rungs(b, c)
	_, err := io.WriteString(w, b.String())
	return err
}

// State names how far a call has come: "ringing".
func State(c *callv1.CallRecord) string {
	return strings.ToLower(strings.TrimPrefix(c.GetState().String(), "CALL_STATE_"))
}

// Name gives a party as people know it: its name or id, and an address.
func Name(p *callv1.Party) string {
	name, address := p.GetSubscriber(), ""
	if p.GetDisplayName() != "" {
		name = p.GetDisplayName()
	}
	if a := p.GetAddresses(); len(a) > 0 {
		address = a[0]
	}
	switch {
	case name == "":
		return clean(address)
	case address == "":
		return clean(name)
	}
	return clean(name + " <" + address + ">")
}

// Lasted is how long a call has been going on, from the offer, or did.
func Lasted(c *callv1.CallRecord, now time.Time) time.Duration {
	end := now
	if c.GetEndedAt() != nil {
		end = c.GetEndedAt().AsTime()
	}
	return max(0, end.Sub(c.GetCreatedAt().AsTime()))
}

func head(b *strings.Builder, c *callv1.CallRecord, now time.Time) {
	line := func(key, format string, args ...any) {
		if value := fmt.Sprintf(format, args...); value != "" {
			fmt.Fprintf(b, "%-10s %s\n", key, value)
		}
	}
	line("call", "%s", clean(c.GetId()))
	line("from", "%s", Name(c.GetCaller()))
	callee := Name(c.GetCallee())
	switch dialled := clean(c.GetDialled()); {
	case callee == "":
		line("to", "%s", dialled)
	case dialled != "" && !strings.Contains(callee, dialled):
		line("to", "%s, dialled as %s", callee, dialled)
	default:
		line("to", "%s", callee)
	}
	line("state", "%s", outcome(c))
	begin := c.GetCreatedAt()
	line("placed", "%s", begin.AsTime().UTC().Format("2006-01-02 15:04:05.000 MST"))
	if at := c.GetAnsweredAt(); at != nil {
		line("answered", "%s after the offer", seconds(since(begin, at)))
	}
	if at := c.GetEstablishedAt(); at != nil {
		line("media up", "%s after the offer", seconds(since(begin, at)))
	}
	switch at := c.GetEndedAt(); {
	case at == nil:
		line("so far", "%s", seconds(Lasted(c, now)))
	case c.GetAnsweredAt() != nil:
		line("lasted", "%s from the answer, %s from the offer", seconds(since(c.GetAnsweredAt(), at)), seconds(since(begin, at)))
	default:
		line("lasted", "%s from the offer, never answered", seconds(since(begin, at)))
	}
	if n := c.GetMediaNode(); n != "" {
		line("media", "node %s", clean(n))
	}
	if id := c.GetRedirectCallId(); id != "" {
		line("went on", "as call %s", clean(id))
	}
	if id := c.GetHandedOverFrom(); id != "" {
		line("joined by", "call %s", clean(id))
	}
}

func outcome(c *callv1.CallRecord) string {
	state := State(c)
	if c.GetState() != callv1.CallState_CALL_STATE_ENDED {
		return state
	}
	info := schema.DescribeReason(c.GetReason())
	return state + ": " + info.Name + " (" + info.Meaning + ")"
}

func legs(b *strings.Builder, c *callv1.CallRecord) {
	rows := make([][]string, 0, len(c.GetLegs()))
	for _, l := range c.GetLegs() {
		state := strings.ToLower(strings.TrimPrefix(l.GetState().String(), "LEG_STATE_"))
		if l.GetState() == callv1.LegState_LEG_STATE_ENDED {
			state += ": " + schema.DescribeReason(l.GetReason()).Name
		}
		if l.GetLost() {
			state += ", connection lost"
		}
		t := l.GetTerminal()
		row := []string{
			fmt.Sprintf("#%d", l.GetOrdinal()), strings.ToLower(strings.TrimPrefix(l.GetSide().String(), "SIDE_")),
			t.GetSubscriber() + " on " + t.GetKind() + " " + t.GetNode(), state, l.GetId(),
		}
		if l.GetRef() != "" && l.GetRef() != l.GetId() {
			row = append(row, "known there as "+l.GetRef())
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		b.WriteString("\nlegs\n")
		table(b, rows)
	}
}

func rungs(b *strings.Builder, c *callv1.CallRecord) {
	entries := c.GetLadder()
	if len(entries) == 0 {
		return
	}
	begin := c.GetCreatedAt()
	if begin == nil {
		begin = entries[0].GetAt()
	}
	rows := make([][]string, 0, len(entries))
	for _, e := range entries {
		rows = append(rows, []string{
			fmt.Sprintf("%+.3f", since(begin, e.GetAt()).Seconds()),
			e.GetFrom(), "→", e.GetTo(), e.GetWhat(), e.GetDetail(),
		})
	}
	b.WriteString("\nseconds, who said what to whom\n")
	table(b, rows)
	if n := c.GetLadderDropped(); n > 0 {
		fmt.Fprintf(b, "  (%d entries from the middle of a long call are not kept)\n", n)
	}
}

// table writes rows with aligned columns; a first column that is a number is
// aligned to the right.
func table(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i] = clean(row[i])
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		line := &strings.Builder{}
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString("  " + pad + cell)
				continue
			}
			line.WriteString("  " + cell + pad)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func since(from, to *timestamppb.Timestamp) time.Duration { return to.AsTime().Sub(from.AsTime()) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

// clean makes text from the wire fit for a terminal: one line, no controls.
func clean(s string) string { return schema.CleanText(s, 512) }
