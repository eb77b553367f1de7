// MD5 (RFC 1321), which digest authentication needs and browsers do not offer.
// It guards nothing by itself: the HA1 it makes is a password equivalent.

const shifts = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];

// The sines of RFC 1321 section 3.4.
const sines = Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);

/** The MD5 of a text's UTF-8 bytes as 32 lower-case hex digits. */
export function md5(text: string): string {
  const words = pad(new TextEncoder().encode(text));
  const state: [number, number, number, number] = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476];
  for (let at = 0; at < words.length; at += 16) mix(state, words, at);
  const out = new DataView(new ArrayBuffer(16));
  state.forEach((word, i) => out.setInt32(i * 4, word, true));
  return Array.from(new Uint8Array(out.buffer), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** A digest's HA1 (RFC 2617 section 3.2.2.2): md5(user:realm:password). */
export function ha1(user: string, realm: string, password: string): string {
  return md5(`${user}:${realm}:${password}`);
}

function pad(bytes: Uint8Array): Int32Array {
  const blocks = ((bytes.length + 8) >> 6) + 1;
  const padded = new Uint8Array(blocks * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, (bytes.length << 3) >>> 0, true);
  view.setUint32(padded.length - 4, Math.floor(bytes.length / 2 ** 29), true);
  return Int32Array.from({ length: blocks * 16 }, (_, i) => view.getInt32(i * 4, true));
}

function mix(state: [number, number, number, number], words: Int32Array, at: number): void {
  let [a, b, c, d] = state;
  for (let i = 0; i < 64; i++) {
    let f: number;
    let k: number;
    if (i < 16) [f, k] = [(b & c) | (~b & d), i];
    else if (i < 32) [f, k] = [(d & b) | (~d & c), (5 * i + 1) % 16];
    else if (i < 48) [f, k] = [b ^ c ^ d, (3 * i + 5) % 16];
    else [f, k] = [c ^ (b | ~d), (7 * i) % 16];
    const sum = (a + f + sines[i]! + words[at + k]!) | 0;
    const by = shifts[(i >> 4) * 4 + (i % 4)]!;
    [a, d, c, b] = [d, c, b, (b + ((sum << by) | (sum >>> (32 - by)))) | 0];
  }
  state[0] = (state[0] + a) | 0;
  state[1] = (state[1] + b) | 0;
  state[2] = (state[2] + c) | 0;
  state[3] = (state[3] + d) | 0;
}
