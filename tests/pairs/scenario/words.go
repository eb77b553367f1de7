package scenario

// Word is an action or an event, and what can follow it.
type Word struct {
	// Arg is the kind of the argument that it takes, or None.
	Arg Argument
	// From: it says whose call it is.
	From bool
	// With are the clauses that it may have.
	With []string
	// Says is what it means, for readers.
	Says string
}

// Argument is the kind of a word's argument.
type Argument string

// The kinds of arguments.
const (
	None     Argument = ""
	Somebody Argument = "PERSON"
	Reason   Argument = "REASON"
	Code     Argument = "CODE"
	Change   Argument = "CHANGE"
	Digits   Argument = "DIGITS"
)

// Nobody is the person whom no directory knows.
const Nobody = "nobody"

// Actions are what terminals do.
var Actions = map[string]Word{
	"sign-in":       {Says: "connects and signs in; only a terminal that is not there"},
	"sign-out":      {Says: "leaves in its protocol's terms"},
	"drop":          {Says: "loses its connection without a word; what it sends and receives as media goes on"},
	"call":          {Arg: Somebody, With: []string{"video", "header", "nothing"}, Says: "calls a person; `nobody` is an address that nobody has"},
	"dial-back":     {Says: "calls the address that its last incoming call showed"},
	"ring":          {Says: "alerts its user"},
	"early-media":   {Says: "alerts its user and sends its description, so that media flows before the answer"},
	"answer":        {With: []string{"header", "nothing"}, Says: "takes the call, or the re-offer that it heard last"},
	"decline":       {Says: "refuses the call"},
	"busy":          {Says: "refuses the call because of another one"},
	"hang-up":       {Says: "ends the call; before the answer, cancels it"},
	"pull":          {With: []string{"nothing"}, Says: "takes over the call of the last in-call that it heard"},
	"steal":         {Arg: Somebody, Says: "asks, as a pull, for a call of that person, which is not its own"},
	"push":          {Says: "gives the call to its person's phone"},
	"reoffer":       {Arg: Change, Says: "offers anew in the call"},
	"rejoin":        {Says: "has the call again on a new connection, by the name that it had"},
	"refuse":        {Says: "does not take the re-offer that it heard last"},
	"press":         {Arg: Digits, Says: "sends digits as messages of its protocol"},
	"dial-unknown":  {Says: "can ask for an address that nobody has; only asked for"},
	"decline-alone": {Says: "refuses a call for itself, and not for its person's other terminals; only asked for"},
	"insist":        {Says: "offers anew, being called, while it is itself offered anew; only asked for"},
	"take-two":      {Says: "has two calls at once; only asked for, by `needs` and `if`"},
	"resume":        {Says: "knows its calls on a new connection, and goes on with them; only asked for"},
	"send-headers":  {Says: "sends headers with its calls and answers; only asked for"},
	"play":          {Arg: Digits, Says: "sends digits in its media (RFC 4733)"},
}

// Events are what terminals hear.
var Events = map[string]Word{
	"incoming":    {From: true, With: []string{"header"}, Says: "a call arrives, and shows who calls"},
	"alerting":    {Says: "the other side alerts"},
	"early-media": {Says: "the other side sends media before it answers; its description comes along"},
	"answered":    {With: []string{"header"}, Says: "the call, the pull or the re-offer that it asked for was answered"},
	"established": {Says: "media is up"},
	"ended":       {Arg: Reason, Says: "the call is over for this terminal"},
	"missed":      {Arg: Somebody, Says: "a call of that person was missed"},
	"refused":     {Arg: Code, Says: "its last request was refused"},
	"moved":       {Says: "the push came about: the phone has the call now"},
	"push-failed": {Arg: Reason, Says: "the push did not come about; the call stays"},
	"reoffer":     {Says: "it is offered anew in the call"},
	"in-call":     {Arg: Somebody, Says: "its person is in a call with that one, at another terminal"},
	"opening":     {Says: "is told of the calls there are when it signs in; only asked for"},
	"headers":     {Says: "headers come with calls and answers; only asked for"},
	"idle":        {Says: "that call is over"},
}

// Clauses are what follows "with".
var Clauses = map[string]string{
	"video":   "audio and video",
	"header":  "NAME VALUE, carries a header",
	"nothing": "its description has nothing that the other side could use",
}

// Changes are what a re-offer changes.
var Changes = map[string]string{
	"hold":     "audio and video sendonly",
	"resume":   "back to sendrecv",
	"video":    "a video line more",
	"no-video": "that line inactive",
	"restart":  "new ICE credentials",
}

// Theme is a part of the table.
type Theme struct{ Name, Heading string }

// Themes are the parts of the table, in order.
var Themes = []Theme{
	{"calls", "Calls"},
	{"terminals", "Several terminals"},
	{"crossing", "Calls that cross"},
	{"moves", "Calls that move"},
	{"status", "What other terminals are told"},
	{"media", "Media and digits"},
	{"changes", "Changes in a call"},
	{"losses", "Connections that break"},
	{"identity", "Who calls, and how often"},
}
