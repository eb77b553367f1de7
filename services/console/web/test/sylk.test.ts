import assert from "node:assert/strict";
import test from "node:test";
import { Link, type LinkState, Refused, Unsent } from "../src/sylk";
import type { Message } from "../src/wire";
import { Clock, Socket, settle } from "./fakes";

function linked() {
  const clock = new Clock();
  const states: Array<[LinkState, number]> = [];
  const events: Message[] = [];
  const link = new Link("ws://x/", { link: (s, n) => states.push([s, n]), event: (m) => events.push(m) }, clock.env);
  return { clock, states, events, link };
}

function ready() {
  const all = linked();
  all.link.open();
  Socket.latest.says({ sylkrtc: "ready-event" });
  return { ...all, socket: Socket.latest };
}

test("opens with the subprotocol and is open at ready, not before", async () => {
  const { link, states } = linked();
  link.open();
  assert.equal(Socket.latest.protocol, "sylkRTC-2");
  await assert.rejects(link.request("ping"), Unsent);
  Socket.latest.says({ sylkrtc: "ready-event" });
  assert.deepEqual(states, [["connecting", 0], ["open", 0]]);
});

test("each request gets its own reply", async () => {
  const { link, socket } = ready();
  const first = link.request("account-add", { account: "a@x" });
  const second = link.request("account-register", { account: "a@x" });
  const [one, two] = socket.sent;
  assert.notEqual(one!["transaction"], two!["transaction"]);
  socket.says({ sylkrtc: "error", transaction: two!["transaction"], error: "Unknown account specified: a@x" });
  socket.says({ sylkrtc: "ack", transaction: one!["transaction"] });
  await first;
  await assert.rejects(second, (error: Error) => error instanceof Refused && error.message.startsWith("Unknown account"));
});

test("events are passed on; nonsense is not", () => {
  const { events, socket } = ready();
  for (const nonsense of ["{", "[]", "null", "7", '"x"']) socket.says(nonsense);
  socket.says({ sylkrtc: "ack", transaction: "999" });
  socket.says({ sylkrtc: "session-event", session: "s" });
  assert.deepEqual(events, [{ sylkrtc: "session-event", session: "s" }]);
});

test("comes back after 1, 2, 4, 8, 16 and 16 seconds, and starts over once open", () => {
  const { clock, link, states } = linked();
  link.open();
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    Socket.latest.onclose?.();
    const seconds = states.at(-1)![1];
    waits.push(seconds);
    const sockets = Socket.all.length;
    clock.pass(seconds - 0.001);
    assert.equal(Socket.all.length, sockets, "tried too early");
    clock.pass(0.001);
    assert.equal(Socket.all.length, sockets + 1);
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 16]);
  Socket.latest.says({ sylkrtc: "ready-event" });
  Socket.latest.onclose?.();
  assert.deepEqual(states.at(-1), ["waiting", 1]);
});

test("pings every 5 s and gives a silent connection up", async () => {
  const { clock, states, socket } = ready();
  for (let i = 1; i <= 5; i++) {
    clock.pass(5);
    assert.equal(socket.count("ping"), i);
    socket.acks("ping");
    await settle();
  }
  clock.pass(15);
  assert.equal(socket.count("ping"), 8);
  assert.equal(states.at(-1)![0], "open");
  clock.pass(5);
  assert.equal(states.at(-1)![0], "waiting");
  assert.ok(socket.closed);
  assert.equal(socket.status, 4000, "the exchange must not take it for leaving");
});

test("an exchange that never gets ready is given up", () => {
  const { clock, link, states } = linked();
  link.open();
  clock.pass(10);
  assert.deepEqual(states.at(-1), ["waiting", 1]);
});

test("a lost link fails what waits, and its late frames count for nothing", async () => {
  const { clock, link, events, socket } = ready();
  const request = link.request("session-create");
  socket.onclose?.();
  await assert.rejects(request, Unsent);
  clock.pass(1);
  socket.says({ sylkrtc: "session-event" });
  socket.onclose?.();
  assert.deepEqual(events, []);
  Socket.latest.says({ sylkrtc: "ready-event" });
  await Promise.all([link.request("ping"), settle().then(() => Socket.latest.acks("ping"))]);
});

test("close is for good", () => {
  const { clock, link, states, socket } = ready();
  link.close();
  const sockets = Socket.all.length;
  clock.pass(100);
  assert.equal(Socket.all.length, sockets);
  assert.ok(socket.closed);
  assert.equal(socket.status, undefined, "the user leaves");
  assert.deepEqual(states.at(-1), ["closed", 0]);
});
