// One call of this phone: its sylkRTC session, its peer connection and the
// state the user sees. A call is used once; an ended call does nothing more.

import { capture, hasVideo, NoMedia, release, send, tone } from "./media";
import { code, inWords } from "./reasons";
import { Refused } from "./sylk";
import { type Identity, type Message, text } from "./wire";

/** How far a call has come, as its user sees it. */
export type CallState = "starting" | "calling" | "ringing" | "incoming" | "connecting" | "established" | "ended";

/** What a call needs of the phone that holds it. */
export interface Exchange {
  /** Sends a request; resolves at its ack. */
  request(kind: string, fields: Message): Promise<void>;
  /** The call changed in a way that shows. */
  changed(call: Call): void;
}

/** Why a call ended. */
export interface Ending {
  /** Status code of the reason; 0 if it was decided here. */
  code: number;
  /** For the user. */
  words: string;
}

export class Call {
  state: CallState;
  /** What went wrong without ending the call, in words; "" if nothing. */
  note = "";
  ending: Ending | undefined;
  /** When the call was established, in ms since the epoch; 0 before. */
  since = 0;
  /** How long it was established, in ms; set at its end. */
  lasted = 0;
  local: MediaStream | undefined;
  remote: MediaStream | undefined;
  muted = false;
  cameraOff = false;
  /** The other side offered video. */
  readonly offersVideo: boolean;

  private connection: RTCPeerConnection | undefined;
  private introduced = false;
  private held: RTCIceCandidateInit[][] = [];
  private mediaNote = "";

  private constructor(
    readonly session: string,
    readonly direction: "out" | "in",
    readonly account: string,
    readonly peer: Identity,
    private readonly offer: string,
    private readonly exchange: Exchange,
  ) {
    this.state = direction === "out" ? "starting" : "incoming";
    this.offersVideo = offer !== "" && hasVideo(offer);
  }

  /** A call to a party; dial() starts it. */
  static to(peer: Identity, account: string, exchange: Exchange): Call {
    return new Call(crypto.randomUUID(), "out", account, peer, "", exchange);
  }

  /** A call that came, with the caller's session description. */
  static from(peer: Identity, account: string, session: string, sdp: string, exchange: Exchange): Call {
    return new Call(session, "in", account, peer, sdp, exchange);
  }

  get over(): boolean {
    return this.state === "ended";
  }

  get hasCamera(): boolean {
    return (this.local?.getVideoTracks().length ?? 0) > 0;
  }

  /** Places the call. */
  async dial(video: boolean): Promise<void> {
    await this.attempt(async () => {
      const connection = await this.connect(video);
      if (connection === undefined) return;
      const offer = await connection.createOffer();
      await connection.setLocalDescription(offer);
      if (this.over) return;
      this.enter("calling");
      const created = this.exchange.request("session-create", {
        session: this.session,
        account: this.account,
        uri: this.peer.uri,
        sdp: offer.sdp ?? "",
      });
      this.introduce();
      await created;
    });
  }

  /** Answers an incoming call. Without a microphone the call goes on ringing. */
  async accept(video: boolean): Promise<void> {
    if (this.state !== "incoming") return;
    this.enter("connecting");
    await this.attempt(async () => {
      const connection = await this.connect(video, this.offer);
      if (connection === undefined) return;
      const answer = await connection.createAnswer();
      await connection.setLocalDescription(answer);
      if (this.over) return;
      const answered = this.exchange.request("session-answer", { session: this.session, sdp: answer.sdp ?? "" });
      this.introduce();
      await answered;
    });
  }

  /** Cancels, declines or hangs up, whichever the state means. */
  hangUp(words = this.ownWords()): void {
    if (this.over) return;
    const known = this.direction === "in" || this.introduced;
    const { connection } = this;
    // The connection closes after the exchange was told: closing says so to the
    // media node, which would report lost media before the hang-up arrives.
    this.connection = undefined;
    this.end({ code: 0, words });
    const told = known ? this.exchange.request("session-terminate", { session: this.session }) : Promise.resolve();
    // An exchange that cannot be told ends the call by itself.
    told.catch(() => undefined).finally(() => connection?.close());
  }

  /** Takes a session-event of this call. */
  handle(message: Message): void {
    if (this.over || text(message, "event") !== "state") return;
    switch (text(message, "state")) {
      case "ringing":
        if (this.state === "calling") this.enter("ringing");
        break;
      case "early-media":
      case "accepted":
        void this.answered(text(message, "sdp"), text(message, "state") === "accepted");
        break;
      case "established":
        this.since = Date.now();
        this.enter("established");
        break;
      case "terminated": {
        const reason = text(message, "reason");
        this.end({ code: code(reason), words: this.wordsFor(reason) });
        break;
      }
    }
  }

  /** Ends the call without telling the exchange, which cannot be reached. */
  abandon(words: string): void {
    this.end({ code: 0, words });
  }

  setMuted(muted: boolean): void {
    this.muted = muted;
    for (const track of this.local?.getAudioTracks() ?? []) track.enabled = !muted;
    this.exchange.changed(this);
  }

  setCameraOff(off: boolean): void {
    this.cameraOff = off;
    for (const track of this.local?.getVideoTracks() ?? []) track.enabled = !off;
    this.exchange.changed(this);
  }

  /** Sends a DTMF digit: in the media if negotiated, otherwise as signalling. */
  press(digit: string): void {
    if (this.connection === undefined || this.state !== "established") return;
    if (tone(this.connection, digit)) return;
    this.exchange.request("session-dtmf-info", { session: this.session, digit, duration: 160 }).catch(() => undefined);
  }

  /** Runs a step of the set-up; a failure ends the call in words. */
  private async attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (this.over) return;
      if (error instanceof NoMedia && this.direction === "in") {
        this.note = error.message;
        this.enter("incoming");
      } else if (error instanceof Refused) {
        this.end({ code: code(error.message), words: inWords(error.message) });
      } else {
        this.hangUp(error instanceof Error ? error.message : "The call could not be set up");
      }
    }
  }

  /** Captures and makes the peer connection; undefined if the call ended meanwhile. */
  private async connect(video: boolean, offer?: string): Promise<RTCPeerConnection | undefined> {
    const local = await capture({ video });
    if (this.over) {
      release(local);
      return undefined;
    }
    this.local = local;
    this.note = video && !this.hasCamera ? "No camera: sound only" : "";
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.connection = connection;
    const remote = new MediaStream();
    this.remote = remote;
    connection.ontrack = ({ track }) => {
      remote.addTrack(track);
      this.exchange.changed(this);
    };
    connection.onicecandidate = ({ candidate }) => this.trickle(candidate);
    connection.onconnectionstatechange = () => this.transport(connection.connectionState);
    if (offer !== undefined) await connection.setRemoteDescription({ type: "offer", sdp: offer });
    send(connection, local);
    this.exchange.changed(this);
    return connection;
  }

  private async answered(sdp: string, final: boolean): Promise<void> {
    const connection = this.connection;
    if (connection === undefined) return;
    if (final) this.enter("connecting");
    if (this.direction === "in" || sdp === "" || connection.signalingState === "stable") return;
    try {
      await connection.setRemoteDescription({ type: "answer", sdp });
    } catch {
      this.hangUp("The answer could not be used");
    }
  }

  /** The exchange knows the session from now on: candidates may follow. */
  private introduce(): void {
    this.introduced = true;
    for (const candidates of this.held) this.sendCandidates(candidates);
    this.held = [];
  }

  /** Passes a candidate on; null, the end of candidates, becomes an empty list. */
  private trickle(candidate: RTCIceCandidate | null): void {
    if (this.over || candidate?.candidate === "") return;
    const batch: RTCIceCandidateInit[] = [];
    if (candidate !== null) {
      const { sdpMLineIndex, sdpMid } = candidate;
      batch.push({ candidate: candidate.candidate, sdpMLineIndex: sdpMLineIndex ?? 0, sdpMid: sdpMid ?? "" });
    }
    if (this.introduced) this.sendCandidates(batch);
    else this.held.push(batch);
  }

  private sendCandidates(candidates: RTCIceCandidateInit[]): void {
    // A refused candidate decides nothing; the connection's own state does.
    this.exchange.request("session-trickle", { session: this.session, candidates }).catch(() => undefined);
  }

  private transport(state: RTCPeerConnectionState): void {
    if (this.over) return;
    if (state === "failed") {
      this.hangUp("The media connection was lost");
      return;
    }
    this.mediaNote = state === "disconnected" ? "The media connection is interrupted" : "";
    this.exchange.changed(this);
  }

  /** What there is to say beside the state. */
  get remark(): string {
    return this.mediaNote || this.note;
  }

  private ownWords(): string {
    if (this.state === "incoming") return "Declined";
    return this.state === "established" ? "You hung up" : "Cancelled";
  }

  private wordsFor(reason: string): string {
    const status = code(reason);
    if (status === 487 && this.direction === "in") return "Ended before you answered";
    if (this.since > 0) {
      if (status === 200) return "The other side hung up";
      if (status === 480) return "The other side was lost";
    }
    return inWords(reason);
  }

  private enter(state: CallState): void {
    this.state = state;
    this.exchange.changed(this);
  }

  private end(ending: Ending): void {
    if (this.over) return;
    this.ending = ending;
    if (this.since > 0) this.lasted = Date.now() - this.since;
    release(this.local);
    this.connection?.close();
    this.enter("ended");
  }
}
