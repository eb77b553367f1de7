// A Matrix phone for tests: one account, one call at a time, driven by
// window.matrix, shown under the softphone's ids.

import { createDirect, known, lookUp, signIn } from "./account.js";
import { Calls } from "./calls.js";

let client;
let calls;

window.matrix = {
  async signIn(account) {
    client = await signIn(account);
    calls = new Calls(client);
  },
  signOut: () => client.stopClient(),

  createDirect: (user, encrypted) => createDirect(client, user, encrypted),
  join: async (roomId) => {
    await client.joinRoom(roomId);
    await known(client, roomId);
  },
  /** Sends a text message, and tells what a room's last one is that can be read here. */
  say: async (roomId, text) => {
    await known(client, roomId);
    await client.sendTextMessage(roomId, text);
  },
  lastSaid: (roomId) =>
    client
      .getRoom(roomId)
      .getLiveTimeline()
      .getEvents()
      .map((event) => event.getContent().body)
      .findLast((body) => body) ?? "",
  leave: (roomId) => client.leave(roomId),
  deviceId: () => client.getDeviceId(),

  /** Places a call in a room; does not wait for what becomes of it. */
  call: async (roomId, options) => {
    await known(client, roomId);
    await calls.place(roomId, options);
  },
  lookUp: (number) => lookUp(client, number),
  /** Dials a number as a client's dial pad does: look-up, direct room, call at once. */
  dial: async (number, options = {}) => {
    const user = await lookUp(client, number);
    if (!user) throw new Error(`nobody has the number ${number}`);
    const roomId = await createDirect(client, user, false);
    await calls.place(roomId, options);
    return roomId;
  },
  answer: (video) => calls.current.answer(true, video),
  reject: () => calls.current.reject(),
  hangUp: () => calls.hangUp(),
  hold: (on) => calls.current.setRemoteOnHold(on),
  mute: (on) => calls.current.setMicrophoneMuted(on),
  camera: () => calls.current.upgradeCall(false, true),
  cameraOff: (off) => calls.current.setLocalVideoMuted(off),
  digits: (digits) => calls.digits(digits),
};
document.getElementById("connection").dataset.state = "ready";
