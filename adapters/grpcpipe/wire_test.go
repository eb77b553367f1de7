package grpcpipe

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/annotations"
	commonv0 "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/common/v0"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// TestWireContract has one subtest for each row of the protocol's table of messages
// and fields, and for each thing that is said beside it.
func TestWireContract(t *testing.T) {
	file := wgtwo.File_wgtwo_webterminal_v0_webterminal_proto
	check := func(row string, ok bool) {
		t.Run(row, func(t *testing.T) {
			if !ok {
				t.Error("it is not so")
			}
		})
	}
	check("proto3, package wgtwo.webterminal.v0", file.Syntax() == protoreflect.Proto3 && file.Package() == "wgtwo.webterminal.v0")
	check("PhoneNumber is of package wgtwo.common.v0, file wgtwo/common/v0/phonenumber.proto",
		imports(file, commonv0.File_wgtwo_common_v0_phonenumber_proto) &&
			commonv0.File_wgtwo_common_v0_phonenumber_proto.Path() == "wgtwo/common/v0/phonenumber.proto" &&
			commonv0.File_wgtwo_common_v0_phonenumber_proto.Package() == "wgtwo.common.v0")
	scope := annotations.E_Scope.TypeDescriptor()
	check("scope is extension 50013 of MethodOptions, package wgtwo, a string",
		scope.FullName() == "wgtwo.scope" && scope.Number() == 50013 && scope.Kind() == protoreflect.StringKind &&
			scope.ContainingMessage().FullName() == "google.protobuf.MethodOptions")

	service := file.Services().ByName("WebTerminalService")
	check("service WebTerminalService has two methods", service != nil && service.Methods().Len() == 2)
	for _, name := range []protoreflect.Name{"Pipe", "MultiPipe"} {
		m := service.Methods().ByName(name)
		check(fmt.Sprintf("/wgtwo.webterminal.v0.WebTerminalService/%s streams WebTerminalMessage both ways", name),
			m.IsStreamingClient() && m.IsStreamingServer() &&
				m.Input().FullName() == "wgtwo.webterminal.v0.WebTerminalMessage" && m.Output() == m.Input())
		check(fmt.Sprintf("%s has the scope call.control.answer_and_initiate", name),
			proto.GetExtension(m.Options(), annotations.E_Scope) == "call.control.answer_and_initiate")
	}
	check("the methods' paths are the published ones",
		wgtwo.WebTerminalService_Pipe_FullMethodName == "/wgtwo.webterminal.v0.WebTerminalService/Pipe" &&
			wgtwo.WebTerminalService_MultiPipe_FullMethodName == "/wgtwo.webterminal.v0.WebTerminalService/MultiPipe")

	total := 0
	for _, row := range []struct {
		message protoreflect.ProtoMessage
		oneof   protoreflect.Name
		field   protoreflect.Name
		number  protoreflect.FieldNumber
		is      string
	}{
		{&wgtwo.WebTerminalMessage{}, "message", "offer", 1, "Offer"},
		{&wgtwo.WebTerminalMessage{}, "message", "answer", 2, "Answer"},
		{&wgtwo.WebTerminalMessage{}, "message", "ringing", 3, "Ringing"},
		{&wgtwo.WebTerminalMessage{}, "message", "bye", 4, "Bye"},
		{&wgtwo.WebTerminalMessage{}, "message", "idle", 5, "Idle"},
		{&wgtwo.WebTerminalMessage{}, "message", "in_call", 6, "InCall"},
		{&wgtwo.WebTerminalMessage{}, "message", "error", 7, "Error"},
		{&wgtwo.WebTerminalMessage{}, "message", "action", 9, "Action"},
		{&wgtwo.WebTerminalMessage{}, "", "call_id", 10, "string"},
		{&wgtwo.Offer{}, "", "sdp", 1, "string"},
		{&wgtwo.Offer{}, "", "msisdn", 2, "wgtwo.common.v0.PhoneNumber"},
		{&wgtwo.Answer{}, "", "sdp", 1, "string"},
		{&wgtwo.InCall{}, "", "msisdn", 1, "wgtwo.common.v0.PhoneNumber"},
		{&wgtwo.Error{}, "", "err", 1, "Error.Code"},
		{&wgtwo.Action{}, "message", "toPhone", 1, "ToPhone"},
		{&commonv0.PhoneNumber{}, "", "e164", 1, "string"},
	} {
		m := row.message.ProtoReflect().Descriptor()
		f := m.Fields().ByName(row.field)
		oneof := protoreflect.Name("")
		if f != nil && f.ContainingOneof() != nil {
			oneof = f.ContainingOneof().Name()
		}
		check(fmt.Sprintf("%s.%s is %d, %s", m.Name(), row.field, row.number, row.is),
			f != nil && f.Number() == row.number && typeName(f) == row.is && oneof == row.oneof && f.Cardinality() == protoreflect.Optional)
		total++
	}
	for _, m := range []protoreflect.ProtoMessage{&wgtwo.Ringing{}, &wgtwo.Bye{}, &wgtwo.Idle{}, &wgtwo.ToPhone{}} {
		d := m.ProtoReflect().Descriptor()
		check(fmt.Sprintf("%s has no fields", d.Name()), d.Fields().Len() == 0)
	}
	reserved := (&wgtwo.WebTerminalMessage{}).ProtoReflect().Descriptor().ReservedRanges()
	check("WebTerminalMessage reserves 8, once an ICE message", reserved.Len() == 1 && reserved.Has(8))

	codes := wgtwo.Error_Code(0).Descriptor()
	for number, name := range []protoreflect.Name{"UNKNOWN", "NOT_INCALL", "TRY_AGAIN", "INVALID_CALL_ID", "RATE_LIMIT_HIT"} {
		v := codes.Values().ByName(name)
		check(fmt.Sprintf("Error.Code %s is %d", name, number), v != nil && int(v.Number()) == number)
	}
	check("there is nothing else", fieldsOf(file.Messages())+fieldsOf(commonv0.File_wgtwo_common_v0_phonenumber_proto.Messages()) == total &&
		codes.Values().Len() == 5)
}

func imports(file, of protoreflect.FileDescriptor) bool {
	for i := range file.Imports().Len() {
		if file.Imports().Get(i).Path() == of.Path() {
			return true
		}
	}
	return false
}

// typeName is a field's type as the protocol's table has it.
func typeName(f protoreflect.FieldDescriptor) string {
	var name protoreflect.FullName
	switch {
	case f.Message() != nil:
		name = f.Message().FullName()
	case f.Enum() != nil:
		name = f.Enum().FullName()
	default:
		return f.Kind().String()
	}
	if own := f.ParentFile().Package(); len(name) > len(own) && name[:len(own)] == own {
		return string(name[len(own)+1:])
	}
	return string(name)
}

func fieldsOf(ms protoreflect.MessageDescriptors) (n int) {
	for i := range ms.Len() {
		n += ms.Get(i).Fields().Len()
	}
	return n
}
