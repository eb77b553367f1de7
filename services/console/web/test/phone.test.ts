import assert from "node:assert/strict";
import test from "node:test";
import { Phone } from "../src/phone";
import { browser, clock } from "./browser";
import { Socket, settle } from "./fakes";
import { calling, event, incoming, missed, profile, register, signedIn } from "./steps";

test("signs in with the account's HA1", async () => {
  const { phone, socket } = await signedIn();
  assert.ok(phone.signedIn && phone.registered);
  assert.equal(socket.last("account-add")["password"], profile.ha1);
});

test("wrong credentials end the sign-in in words", async () => {
  const { phone, socket } = await signedIn();
  socket.says({ sylkrtc: "account-event", account: profile.account, event: "registration-state", state: "failed", reason: "904 Operation has no matching challenge " });
  assert.equal(phone.refusal, "Wrong account or password");
  assert.equal(phone.profile, undefined);
  assert.ok(socket.closed);
});

for (const reason of ["401 Unauthorized", "403 Forbidden", "404 Not Found", "904 Operation has no matching challenge ", "SIP domain not allowed: x", "invalid SIP URI: x"]) {
  test(`an account-add refused with "${reason}" ends the sign-in`, async () => {
    const phone = new Phone("ws://x/", () => {});
    phone.signIn(profile);
    Socket.latest.says({ sylkrtc: "ready-event" });
    Socket.latest.refuses("account-add", reason);
    await settle();
    assert.equal(phone.profile, undefined);
    assert.notEqual(phone.refusal, "");
  });
}

function failed(socket: Socket, reason: string) {
  socket.says({ sylkrtc: "account-event", account: profile.account, event: "registration-state", state: "failed", reason });
}

test("an account refused for now is tried again after 1, 2, 4, … seconds, and its call goes on", async () => {
  const { phone, socket, session, call } = await calling();
  event(socket, session, "accepted", { sdp: "their answer" });
  event(socket, session, "established");
  socket.onclose?.();
  clock.pass(1);
  const again = Socket.latest;
  again.says({ sylkrtc: "ready-event" });
  again.refuses("account-add", "503 Service Unavailable");
  await settle();
  assert.deepEqual([phone.registered, phone.signedIn, phone.retrySeconds, phone.refusal], [false, true, 1, ""]);
  clock.pass(0.9);
  assert.equal(again.count("account-add"), 1);
  clock.pass(0.1);
  assert.equal(again.count("account-add"), 2);
  again.refuses("account-add", "Internal error");
  await settle();
  clock.pass(2);
  again.acks("account-add");
  await settle();
  again.acks("account-register");
  failed(again, "503 Service Unavailable");
  await settle();
  assert.equal(phone.retrySeconds, 4);
  clock.pass(4);
  assert.deepEqual([again.count("account-add"), again.count("account-register")], [3, 2], "it was added before");
  again.refuses("account-register", "Too many requests");
  await settle();
  assert.equal(phone.retrySeconds, 8);
  phone.hurry();
  assert.equal(again.count("account-register"), 3);
  again.acks("account-register");
  failed(again, "408 Request Timeout");
  again.acks("ping"); // the link is well
  await settle();
  clock.pass(16);
  assert.equal(again.count("account-register"), 4);
  assert.deepEqual([call.state, phone.call], ["established", call]);
  again.acks("account-register");
  again.says({ sylkrtc: "account-event", account: profile.account, event: "registration-state", state: "registered" });
  assert.deepEqual([phone.registered, phone.retrySeconds], [true, 0]);
  failed(again, "500 Server Internal Error");
  assert.equal(phone.retrySeconds, 1, "it starts over once registered");
});

test("signing out, or a lost link, ends the trying", async () => {
  const { phone, socket } = await signedIn();
  failed(socket, "503 Service Unavailable");
  phone.signOut();
  clock.pass(60);
  assert.equal(socket.count("account-register"), 1);
  const other = await signedIn();
  failed(other.socket, "503 Service Unavailable");
  other.socket.onclose?.();
  clock.pass(0.999);
  assert.deepEqual([other.socket.count("account-register"), Socket.latest], [1, other.socket]);
  clock.pass(0.001);
  await register(Socket.latest);
  assert.ok(other.phone.registered);
});

test("a call goes through its states", async () => {
  const { socket, session, call } = await calling();
  assert.equal(call.state, "calling");
  event(socket, session, "progress");
  assert.equal(call.state, "calling");
  event(socket, session, "ringing");
  assert.equal(call.state, "ringing");
  event(socket, session, "accepted", { sdp: "their answer" });
  assert.equal(call.state, "connecting");
  event(socket, session, "established");
  assert.equal(call.state, "established");
  event(socket, session, "terminated", { reason: "200 Session Terminated" });
  assert.equal(call.ending?.words, "The other side hung up");
  assert.ok(browser.connections[0]!.closed);
});

test("candidates follow the offer, in order, and then their end", async () => {
  const { phone, socket } = await signedIn();
  phone.dial({ uri: "bob@demo.test" }, false);
  for (let i = 0; browser.connections.length === 0 && i < 50; i++) await Promise.resolve();
  const candidate = (n: number) => ({ candidate: `candidate:${n}`, sdpMLineIndex: 0, sdpMid: "0" });
  browser.connections[0]!.onicecandidate?.({ candidate: candidate(1) });
  assert.equal(socket.count("session-trickle"), 0, "before the exchange knows the session");
  await settle();
  browser.connections[0]!.onicecandidate?.({ candidate: candidate(2) });
  browser.connections[0]!.onicecandidate?.({ candidate: { candidate: "" } });
  browser.connections[0]!.onicecandidate?.({ candidate: null });
  assert.deepEqual(
    socket.sent.slice(-4).map((m) => [m["sylkrtc"], m["candidates"]?.map((c: { candidate: string }) => c.candidate)]),
    [["session-create", undefined], ["session-trickle", ["candidate:1"]], ["session-trickle", ["candidate:2"]], ["session-trickle", []]],
  );
});

test("a call cancelled while the microphone opens is never sent", async () => {
  const { phone, socket } = await signedIn();
  let opened = (_: unknown) => {};
  browser.capture = () => new Promise((done) => (opened = done));
  phone.dial({ uri: "bob@demo.test" }, false);
  phone.call!.hangUp();
  opened(browser.stream);
  await settle();
  assert.equal(socket.count("session-create"), 0);
  assert.equal(socket.count("session-terminate"), 0);
  assert.equal(phone.call!.ending?.words, "Cancelled");
});

test("hanging up tells the exchange once, and late events change nothing", async () => {
  const { socket, session, call } = await calling();
  call.hangUp();
  call.hangUp();
  event(socket, session, "accepted", { sdp: "late" });
  event(socket, session, "terminated", { reason: "487 Request Terminated" });
  assert.equal(socket.count("session-terminate"), 1);
  assert.equal(call.ending?.words, "Cancelled");
});

test("an exchange that refuses the call is quoted", async () => {
  const { phone, socket } = await signedIn();
  phone.dial({ uri: "bob@demo.test" }, false);
  await settle();
  socket.says({ sylkrtc: "error", transaction: socket.last("session-create")["transaction"], error: "Account not authenticated" });
  await settle();
  assert.equal(phone.call!.ending?.words, "Account not authenticated");
});

test("an incoming call is answered; without a microphone it goes on ringing", async () => {
  const { phone, socket } = await signedIn();
  incoming(socket, "s1");
  assert.equal(phone.call!.state, "incoming");
  browser.capture = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  await phone.call!.accept(false);
  assert.equal(phone.call!.state, "incoming");
  assert.equal(phone.call!.remark, "This page may not use the microphone");
  browser.capture = async () => browser.stream;
  void phone.call!.accept(false);
  await settle();
  assert.deepEqual([socket.last("session-answer")["session"], socket.last("session-answer")["sdp"]], ["s1", "answer audio:sendrecv"]);
});

test("a second call is refused as busy and noted", async () => {
  const { phone, socket, call } = await calling();
  incoming(socket, "s2", "carol@demo.test");
  assert.equal(socket.last("session-terminate")["session"], "s2");
  assert.equal(phone.call, call);
  assert.equal(phone.recent[0]!.peer.uri, "carol@demo.test");
  assert.equal(phone.missed, 1);
});

test("a missed call counts once, whichever event comes first", async () => {
  const { phone, socket } = await signedIn();
  incoming(socket, "s1");
  event(socket, "s1", "terminated", { reason: "487 Request Terminated" });
  missed(socket);
  assert.deepEqual([phone.recent.length, phone.missed, phone.recent[0]!.words], [1, 1, "Missed call"]);
  incoming(socket, "s2", "carol@demo.test");
  missed(socket, "carol@demo.test");
  event(socket, "s2", "terminated", { reason: "487 Request Terminated" });
  assert.deepEqual([phone.recent.length, phone.missed], [2, 2]);
});

test("an established call outlives the link; a hang-up meanwhile is told later", async () => {
  const { phone, socket, session, call } = await calling();
  event(socket, session, "accepted", { sdp: "their answer" });
  event(socket, session, "established");
  socket.onclose?.();
  assert.equal(call.state, "established");
  assert.ok(!phone.registered && phone.signedIn);
  call.hangUp();
  await settle();
  clock.pass(1);
  const again = Socket.latest;
  assert.notEqual(again, socket);
  await register(again);
  assert.equal(again.last("session-terminate")["session"], session);
});

test("a call that still rings does not outlive the link", async () => {
  const { phone, socket, call } = await calling();
  socket.onclose?.();
  assert.equal(call.ending?.words, "The connection to the exchange was lost");
  assert.ok(browser.connections[0]!.closed);
  phone.dismiss();
  assert.equal(phone.call, undefined);
});

test("media lost before the call is established ends it", async () => {
  const { socket, session, call } = await calling();
  browser.connections[0]!.moves("failed");
  assert.equal(call.ending?.words, "The media connection was lost");
  assert.equal(socket.last("session-terminate")["session"], session);
});
