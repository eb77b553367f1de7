// An account at the homeserver, signed in at a device of its own.

import { createClient, ClientEvent } from "matrix-js-sdk";
import { logger } from "matrix-js-sdk/lib/logger.js";

import { showLink } from "./view.js";

// Its cryptography says a lot.
logger.setLevel("info");

/** Signs in and waits for the first sync. With encrypt, the device has keys. */
export async function signIn({ homeserver, user, password, encrypt }) {
  showLink("connecting");
  const login = await createClient({ baseUrl: homeserver }).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user },
    password,
  });
  const client = createClient({
    baseUrl: homeserver,
    userId: login.user_id,
    deviceId: login.device_id,
    accessToken: login.access_token,
  });
  if (encrypt) {
    await client.initRustCrypto({ useIndexedDB: false });
    // Nobody verifies devices here.
    client.getCrypto().globalBlacklistUnverifiedDevices = false;
  }
  const synced = new Promise((done) => {
    client.on(ClientEvent.Sync, (state) => {
      if (state === "PREPARED") done();
      else if (state !== "SYNCING") showLink(state.toLowerCase());
    });
  });
  await client.startClient({ initialSyncLimit: 20 });
  await synced;
  if (encrypt) await keysPublished(client);
  showLink("registered");
  return client;
}

/** Waits until others can find this device's keys: before, they encrypt without it. */
async function keysPublished(client) {
  const [user, device] = [client.getUserId(), client.getDeviceId()];
  for (;;) {
    const { device_keys: devices } = await client.downloadKeysForUsers([user]);
    if (devices?.[user]?.[device]) return;
    await new Promise((later) => setTimeout(later, 100));
  }
}

/** Waits until a room is known here. */
export function known(client, roomId) {
  if (client.getRoom(roomId)) return Promise.resolve();
  return new Promise((done) => {
    const look = (room) => {
      if (room.roomId !== roomId) return;
      client.off(ClientEvent.Room, look);
      done();
    };
    client.on(ClientEvent.Room, look);
  });
}

/** Makes a room with one other user, as clients do for direct messages. */
export async function createDirect(client, user, encrypted) {
  const { room_id: roomId } = await client.createRoom({
    preset: "trusted_private_chat",
    is_direct: true,
    invite: [user],
    initial_state: encrypted
      ? [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }]
      : [],
  });
  await known(client, roomId);
  return roomId;
}

/** Whom a number belongs to, as a client's dial pad asks for it; "" for nobody. */
export async function lookUp(client, number) {
  const found = await client.getThirdpartyUser("m.protocol.pstn", { "m.id.phone": number }).catch((error) => {
    if (error.httpStatus !== 404) throw error;
  });
  return found?.[0]?.userid ?? "";
}
