// The call in view: the newest one, unless another is answered or placed.

import { CallErrorCode, CallEvent, CallParty, CallState } from "matrix-js-sdk/lib/webrtc/call.js";
import { CallEventHandlerEvent } from "matrix-js-sdk/lib/webrtc/callEventHandler.js";
import { createNewMatrixCall } from "matrix-js-sdk";

import { showCall, showMedia, showMissed, showNote, showPeer } from "./view.js";

/** The library's states in the softphone's words. */
const words = {
  [CallState.Fledgling]: "starting",
  [CallState.WaitLocalMedia]: "starting",
  [CallState.CreateOffer]: "starting",
  [CallState.InviteSent]: "calling",
  [CallState.Ringing]: "incoming",
  [CallState.CreateAnswer]: "connecting",
  [CallState.Connecting]: "connecting",
  [CallState.Connected]: "established",
  [CallState.Ended]: "ended",
};

/** The calls of one account. */
export class Calls {
  #client;
  #call;

  constructor(client) {
    this.#client = client;
    client.on(CallEventHandlerEvent.Incoming, (call) => {
      // The library also reports calls that it has found to be over.
      if (call.state !== CallState.Ringing) return;
      if (this.#call && this.#call.state !== CallState.Ended) {
        call.reject(); // one call at a time
        return;
      }
      this.#view(call);
    });
  }

  /** The call that is shown; an error if there is none. */
  get current() {
    if (!this.#call) throw new Error("no call");
    return this.#call;
  }

  async place(roomId, { video }) {
    const call = createNewMatrixCall(this.#client, roomId);
    this.#view(call);
    await (video ? call.placeVideoCall() : call.placeVoiceCall());
  }

  hangUp() {
    this.current.hangup(CallErrorCode.UserHangup, false);
  }

  async digits(digits) {
    if (!this.current.opponentSupportsDTMF()) throw new Error("the other side takes no digits");
    for (const digit of digits) this.current.sendDtmfDigit(digit);
  }

  #view(call) {
    this.#call = call;
    let answered = false;
    const show = () => {
      if (call !== this.#call) return;
      answered ||= call.state === CallState.Connecting || call.state === CallState.Connected;
      const asserted = call.getRemoteAssertedIdentity();
      const peer = asserted?.displayName || asserted?.id || call.getOpponentMember()?.rawDisplayName || "";
      showPeer(peer, call.roomId);
      const feed = call.remoteUsermediaFeed;
      showMedia(call.remoteUsermediaStream);
      showNote(
        call.isLocalOnHold() && "On hold",
        feed?.isAudioMuted() && "Microphone off",
        feed?.stream.getVideoTracks().length > 0 && feed.isVideoMuted() && "Camera off",
      );
      showCall(words[call.state], ended(call));
    };
    call.on(CallEvent.State, show);
    call.on(CallEvent.FeedsChanged, show);
    call.on(CallEvent.AssertedIdentityChanged, show);
    call.on(CallEvent.LocalHoldUnhold, show);
    call.on(CallEvent.Error, (error) => console.warn(`call: ${error.code}: ${error.message}`));
    call.on(CallEvent.Replaced, (next) => this.#view(next));
    call.on(CallEvent.Hangup, () => {
      if (!answered && call.direction === "inbound" && call.hangupParty === CallParty.Remote) {
        showMissed(call.getOpponentMember()?.rawDisplayName ?? "");
      }
    });
    const mute = () => show();
    call.on(CallEvent.FeedsChanged, (feeds) => {
      for (const feed of feeds) {
        feed.off("mute_state_changed", mute);
        feed.on("mute_state_changed", mute);
      }
    });
    show();
  }
}

/** Who ended a call and why: "remote: user_hangup". */
function ended(call) {
  return call.state === CallState.Ended ? `${call.hangupParty}: ${call.hangupReason}` : "";
}
