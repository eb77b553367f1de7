// What the page shows, under the same ids as the softphone.

const get = (id) => document.getElementById(id);

/** How the link to the homeserver stands. */
export function showLink(state) {
  get("connection").dataset.state = state;
}

/** The call in view: its state, and words for why it ended. */
export function showCall(state, words = "") {
  get("call-status").textContent = words;
  get("call").dataset.state = state;
}

/** Who the other side is, and the room. */
export function showPeer(name, room) {
  get("call-peer").textContent = name;
  get("call-room").textContent = room;
}

/** What is to be said of a call that goes on. */
export function showNote(...notes) {
  get("call-note").textContent = notes.filter(Boolean).join(", ");
}

/** A call that ended before it was answered here. */
export function showMissed(name) {
  get("missed").textContent = name;
}

/** The other side's picture and sound; undefined for none. */
export function showMedia(stream) {
  const remote = get("remote");
  const pictures = Boolean(stream?.getVideoTracks().length);
  get("call").classList.toggle("picture", pictures);
  // Set anew when its tracks have changed: the element then shows the new ones.
  if (remote.srcObject !== (stream ?? null)) remote.srcObject = stream ?? null;
}
