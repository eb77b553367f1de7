import assert from "node:assert/strict";
import test from "node:test";
import { browser, clock, Track } from "./browser";
import { Socket, settle } from "./fakes";
import { calling, event, incoming, profile, register, relinked, serves, signedIn, talking, update } from "./steps";

// What changes inside a call: hold, video, new ways for its media, a new link.

const held = "v=0\r\nm=audio 9 X\r\na=sendonly\r\n";
const plain = "v=0\r\nm=audio 9 X\r\na=sendrecv\r\n";

test("hold stops every line, and resume puts it back", async () => {
  const { socket, session, call, connection } = await talking();
  void call.setHeld(true);
  assert.equal(await serves(socket, session), "offer 2 audio:inactive");
  assert.deepEqual([call.held, call.remark, call.changing], [true, "On hold", false]);
  assert.deepEqual(connection.done, ["local offer", "remote served"]);
  void call.setHeld(false);
  assert.equal(await serves(socket, session, plain), "offer 3 audio:sendrecv");
  assert.deepEqual([call.held, call.remark], [false, ""]);
});

test("a hold that is refused is undone", async () => {
  const { socket, session, call, connection } = await talking();
  void call.setHeld(true);
  await settle();
  socket.acks("session-update");
  update(socket, session, "failed", { reason: "488 Not Acceptable Here" });
  await settle();
  assert.deepEqual([call.held, call.remark], [false, "The call could not be put on hold"]);
  assert.deepEqual([connection.signalingState, connection.lines[0]!.direction], ["stable", "sendrecv"]);
  assert.deepEqual(connection.done, ["local offer", "local rollback"]);
  void call.setHeld(true);
  await settle();
  socket.refuses("session-update", "Too many requests");
  await settle();
  assert.deepEqual([call.held, call.state], [false, "established"]);
});

test("changes wait for each other, and for a call that is established", async () => {
  const { socket, session, call } = await calling();
  await call.setHeld(true);
  assert.equal(socket.count("session-update"), 0);
  event(socket, session, "accepted", { sdp: "their answer" });
  await settle();
  event(socket, session, "established");
  void call.setHeld(true);
  await call.setVideo(true); // pressed meanwhile
  await serves(socket, session);
  assert.equal(socket.count("session-update"), 1);
});

test("the other side's hold shows, and what it offers meanwhile is answered", async () => {
  const { socket, session, call, connection } = await talking();
  update(socket, session, "received", { sdp: held });
  await settle();
  assert.equal(socket.acks("session-update")["sdp"], "answer audio:sendrecv");
  assert.equal(call.remark, "The other side has put the call on hold");
  update(socket, session, "received", { sdp: plain });
  await settle();
  socket.acks("session-update");
  assert.equal(call.remark, "");
  assert.deepEqual(connection.done, [`remote ${held}`, "local answer", `remote ${plain}`, "local answer"]);
  void call.setHeld(true);
  await serves(socket, session, held); // the answer to our own hold
  assert.equal(call.remark, "On hold");
  update(socket, session, "received", { sdp: plain });
  await settle();
  assert.equal(socket.last("session-update")["sdp"], "answer audio:inactive");
});

test("video is added and stopped, on the same line", async () => {
  const { socket, session, call, connection } = await talking();
  void call.setVideo(true);
  assert.equal(await serves(socket, session), "offer 2 audio:sendrecv video:sendrecv");
  assert.ok(call.hasCamera);
  connection.lines[1]!.currentDirection = "inactive";
  assert.equal(call.remark, "The other side does not take your video");
  connection.lines[1]!.currentDirection = "sendrecv";
  assert.equal(call.remark, "");
  const camera = browser.stream.getVideoTracks()[0]!;
  void call.setVideo(false);
  assert.equal(await serves(socket, session), "offer 3 audio:sendrecv video:recvonly");
  assert.deepEqual([call.hasCamera, camera.stopped], [false, true]);
  void call.setVideo(true);
  assert.equal(await serves(socket, session), "offer 4 audio:sendrecv video:sendrecv");
  assert.ok(call.hasCamera);
});

test("a camera that cannot be had, or that the exchange refuses, changes nothing", async () => {
  const { socket, session, call, connection } = await talking();
  const capture = browser.capture;
  browser.capture = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  await call.setVideo(true);
  assert.deepEqual([call.remark, socket.count("session-update")], ["Video could not be added", 0]);
  browser.capture = capture;
  void call.setVideo(true);
  await settle();
  const camera = browser.stream.getVideoTracks()[0]!;
  socket.acks("session-update");
  update(socket, session, "failed", { reason: "488 Not Acceptable Here" });
  await settle();
  assert.deepEqual([call.remark, call.hasCamera, camera.stopped], ["Video could not be added", false, true]);
  assert.equal(connection.lines[1]!.sender.track, null);
});

test("an offer that crosses ours is left to the exchange, which sends it again", async () => {
  const { socket, session, call, connection } = await talking();
  void call.setHeld(true);
  await settle();
  update(socket, session, "received", { sdp: "crossed" });
  socket.acks("session-update");
  update(socket, session, "accepted", { sdp: "served" });
  update(socket, session, "received", { sdp: "again" });
  await settle();
  assert.deepEqual(connection.done, ["local offer", "remote served", "remote again", "local answer"]);
  assert.equal(socket.count("session-update"), 2);
});

test("an offer that crossed one of ours that was refused is answered", async () => {
  const { socket, session, call, connection } = await talking();
  void call.setHeld(true);
  await settle();
  update(socket, session, "received", { sdp: "crossed" });
  socket.acks("session-update");
  update(socket, session, "failed", { reason: "491 Request Pending" });
  await settle();
  assert.deepEqual(connection.done, ["local offer", "local rollback", "remote crossed", "local answer"]);
  assert.equal(socket.last("session-update")["sdp"], "answer audio:sendrecv", "the hold was undone");
});

test("an answer that came too late is followed by an offer", async () => {
  const { socket, session, connection } = await talking();
  update(socket, session, "received", { sdp: plain });
  await settle();
  socket.refuses("session-update", "Invalid state for updating session");
  assert.equal(await serves(socket, session), "offer 2 audio:sendrecv");
  assert.equal(connection.signalingState, "stable");
});

test("an offer that is withdrawn before it was taken is forgotten", async () => {
  const { socket, session, connection } = await talking();
  update(socket, session, "failed", { reason: "408 Request Timeout" });
  update(socket, session, "accepted", { sdp: "of nothing" });
  await settle();
  assert.deepEqual([connection.done, socket.count("session-update")], [[], 0]);
});

test("media that is lost is sought again, twice", async () => {
  const { socket, session, call, connection } = await talking();
  connection.moves("disconnected");
  assert.equal(call.remark, "The media connection is interrupted");
  clock.pass(2.9);
  assert.equal(socket.count("session-update"), 0);
  clock.pass(0.1);
  await settle();
  const trickled = socket.count("session-trickle");
  connection.onicecandidate?.({ candidate: { candidate: "candidate:1", sdpMLineIndex: 0, sdpMid: "0" } });
  assert.equal(socket.count("session-trickle"), trickled, "before the exchange knows what it is for");
  assert.equal(await serves(socket, session), "offer 2 restart audio:sendrecv");
  assert.equal(socket.count("session-trickle"), trickled + 1);
  connection.moves("failed");
  clock.pass(0);
  assert.equal(await serves(socket, session), "offer 3 restart audio:sendrecv");
  connection.moves("failed");
  assert.equal(call.ending?.words, "The media connection was lost");
});

test("media that comes back by itself is let alone", async () => {
  const { socket, call, connection } = await talking();
  connection.moves("disconnected");
  clock.pass(1);
  connection.moves("connected");
  clock.pass(5);
  await settle();
  assert.deepEqual([socket.count("session-update"), call.remark, call.state], [0, "", "established"]);
});

test("media that cannot be sought again ends the call", async () => {
  const { socket, call, connection } = await talking();
  connection.moves("failed");
  clock.pass(0);
  await settle();
  socket.refuses("session-update", "Internal error");
  await settle();
  assert.equal(call.ending?.words, "The media connection was lost");
});

test("a call is taken up on a new link by its old name, and goes on", async () => {
  const { phone, session, call, connection } = await talking();
  const again = await relinked(clock);
  await settle();
  assert.equal(again.last("session-update")["session"], session);
  // The exchange offers it anew as well, before it knows.
  incoming(again, "s2");
  assert.deepEqual([phone.call, call.state, again.count("session-terminate")], [call, "established", 0]);
  assert.equal(await serves(again, session), "offer 2 audio:sendrecv", "its media lives: no new ways");
  event(again, "s2", "terminated", { reason: "487 Request Terminated" });
  assert.deepEqual([phone.call, call.detached, phone.recent.length, connection.closed], [call, false, 0, false]);
  call.hangUp();
  assert.equal(again.last("session-terminate")["session"], session);
});

test("a call whose media is gone too seeks new ways on the new link", async () => {
  const { session, connection } = await talking();
  Socket.latest.onclose?.();
  connection.moves("failed");
  clock.pass(1);
  const again = Socket.latest;
  assert.equal(again.count("session-update"), 0);
  await register(again);
  assert.equal(await serves(again, session), "offer 2 restart audio:sendrecv");
  connection.moves("connected");
});

for (const first of [true, false]) {
  test(`a call that the exchange has dropped is answered as it comes anew, ${first ? "before" : "after"} that is known`, async () => {
    const { phone, call, connection } = await talking();
    void call.setVideo(true);
    await serves(Socket.latest, call.session);
    const since = call.since;
    const again = await relinked(clock);
    await settle();
    if (first) incoming(again, "s2", "bob.the.builder@demo.test");
    again.refuses("session-update", "Unknown session x");
    await settle();
    if (!first) incoming(again, "s2", "bob.the.builder@demo.test");
    await settle();
    const next = phone.call!;
    assert.notEqual(next, call);
    assert.deepEqual([next.session, next.peer.uri, next.since, next.hasCamera], ["s2", "bob@demo.test", since, true]);
    assert.equal(again.last("session-answer")["session"], "s2");
    assert.deepEqual([connection.closed, call.over, phone.recent.length, again.count("session-terminate")], [true, true, 0, 0]);
    event(again, "s2", "established");
    assert.equal(next.state, "established");
  });
}

test("a call that is gone and does not come again is over", async () => {
  const { phone, call } = await talking();
  const again = await relinked(clock);
  await settle();
  again.refuses("session-update", "Session x is terminated");
  await settle();
  clock.pass(2.9);
  assert.equal(call.state, "established");
  clock.pass(0.2);
  assert.deepEqual([call.ending?.words, phone.recent.length], ["The connection to the exchange was lost for too long", 1]);
});

test("a call is taken up again and again while the exchange says not now", async () => {
  const { session, call } = await talking();
  const again = await relinked(clock);
  await settle();
  again.acks("session-update");
  update(again, session, "failed", { reason: "503 Service Unavailable" });
  await settle();
  clock.pass(1);
  await settle();
  again.refuses("session-update", "503 Service Unavailable");
  await settle();
  clock.pass(1);
  assert.match(await serves(again, session), /^offer 4/);
  assert.equal(call.detached, false);
});

test("an exchange that refuses new ways for a call knows it", async () => {
  const { phone, session, call, connection } = await talking();
  const again = await relinked(clock);
  await settle();
  again.acks("session-update");
  update(again, session, "failed", { reason: "488 Not Acceptable Here" });
  await settle();
  assert.deepEqual([phone.call, call.detached, call.state, connection.signalingState], [call, false, "established", "stable"]);
});

test("a link lost again while a call is taken up is waited for", async () => {
  const { session, call } = await talking();
  const one = await relinked(clock);
  await settle();
  one.acks("session-update"); // and no more
  const two = await relinked(clock);
  assert.match(await serves(two, session), /^offer 3/);
  assert.deepEqual([call.detached, call.state], [false, "established"]);
});

test("another call that comes meanwhile is not taken for it", async () => {
  const { phone, call } = await talking();
  const again = await relinked(clock);
  await settle();
  incoming(again, "s2", "carol@demo.test", "call-2");
  assert.equal(again.last("session-terminate")["session"], "s2");
  assert.deepEqual([phone.call, phone.recent[0]!.peer.uri], [call, "carol@demo.test"]);
});

test("a call that goes on at another device says so", async () => {
  const { socket, session, call } = await talking();
  event(socket, session, "terminated", { reason: "200 Call Transferred" });
  assert.equal(call.ending?.words, "The call goes on at another device");
});

test("sound before the answer is not covered by ringing", async () => {
  const { socket, session, call } = await calling();
  event(socket, session, "ringing");
  event(socket, session, "early-media", { sdp: "their answer", call_id: "call-1" });
  await settle();
  assert.deepEqual([call.state, call.early, browser.connections[0]!.signalingState], ["ringing", true, "stable"]);
  event(socket, session, "accepted", { call_id: "call-1" });
  await settle();
  assert.deepEqual([call.state, call.early], ["connecting", false]);
});

test("a page without a call minds no updates", async () => {
  const { phone, socket } = await signedIn();
  update(socket, "s1", "received", { sdp: plain });
  assert.deepEqual([phone.call, socket.count("session-update"), profile.account], [undefined, 0, "alice@demo.test"]);
  assert.equal(new Track("audio").kind, "audio");
});
