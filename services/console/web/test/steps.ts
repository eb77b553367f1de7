// The steps that tests of the phone begin with.

import { Phone } from "../src/phone";
import { browser } from "./browser";
import { Socket, settle } from "./fakes";

export const profile = { account: "alice@demo.test", ha1: "f".repeat(32), name: "Alice", number: "" };

export async function register(socket: Socket): Promise<void> {
  socket.says({ sylkrtc: "ready-event" });
  socket.acks("account-add");
  await settle();
  socket.acks("account-register");
  socket.says({ sylkrtc: "account-event", account: profile.account, event: "registration-state", state: "registered" });
  await settle();
}

export async function signedIn() {
  browser.reset();
  const phone = new Phone("ws://x/", () => {});
  phone.signIn(profile);
  const socket = Socket.latest;
  await register(socket);
  return { phone, socket };
}

export function event(socket: Socket, session: string, state: string, more: object = {}) {
  socket.says({ sylkrtc: "session-event", session, event: "state", state, ...more });
}

export function incoming(socket: Socket, session: string, uri = "bob@demo.test", id = "call-1") {
  socket.says({ sylkrtc: "account-event", account: profile.account, event: "incoming-session", session, originator: { uri, display_name: "Bob" }, call_id: id, sdp: "v=0\r\nm=audio 9 X\r\n" });
}

export function missed(socket: Socket, uri = "bob@demo.test") {
  socket.says({ sylkrtc: "account-event", account: profile.account, event: "missed-session", originator: { uri } });
}

export async function calling() {
  const all = await signedIn();
  all.phone.dial({ uri: "bob@demo.test" }, false);
  await settle();
  const { session } = all.socket.acks("session-create") as unknown as { session: string };
  await settle();
  return { ...all, session, call: all.phone.call! };
}

/** A call that was placed, answered and established. */
export async function talking() {
  const all = await calling();
  event(all.socket, all.session, "accepted", { sdp: "their answer", call_id: "call-1" });
  await settle();
  event(all.socket, all.session, "established");
  const connection = browser.connections[0]!;
  connection.moves("connected");
  connection.done.length = 0;
  return { ...all, connection };
}

/** The exchange tells of an update. */
export function update(socket: Socket, session: string, state: string, more: object = {}) {
  socket.says({ sylkrtc: "session-event", session, event: "update", state, ...more });
}

/** The exchange serves the offer that the page has just sent, which is given. */
export async function serves(socket: Socket, session: string, sdp = "served"): Promise<string> {
  await settle();
  const request = socket.acks("session-update");
  update(socket, session, "accepted", { sdp });
  await settle();
  return request["sdp"] as string;
}

/** The link breaks, and the account is registered on a new one. */
export async function relinked(clock: { pass(seconds: number): void }): Promise<Socket> {
  Socket.latest.onclose?.();
  clock.pass(1);
  await register(Socket.latest);
  return Socket.latest;
}
