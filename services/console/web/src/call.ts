// One call of this phone: its sylkRTC session, its peer connection and the
// state the user sees. A call is used once; an ended call does nothing more.

import { Hold, holds, startCamera, stopCamera, unseen } from "./lines";
import { capture, hasVideo, NoMedia, release, send, tone } from "./media";
import { Negotiation, NotUpdated, type Party } from "./negotiation";
import { code, inWords } from "./reasons";
import { type Patient, Recovery } from "./recovery";
import { browser, Refused, Unsent } from "./sylk";
import { Trickle } from "./trickle";
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

/** What became of a call that was taken up on a new link. */
export type Retaken = "taken" | "gone" | "later";

// How often a call is taken up again while the exchange says "not now".
const retakesMost = 5;
const notNow = new Set([408, 429, 491, 503]);

export class Call implements Party, Patient {
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
  /** On hold by this side. */
  held = false;
  /** On hold by the other side. */
  heldByOther = false;
  /** A change of the call is under way. */
  changing = false;
  /** Sound comes before the call is answered: it is not for this page to make any. */
  early = false;
  /** The exchange's id of the call; "" before it is known. */
  callId = "";
  /** The call goes on without a link; the exchange keeps it for a while. */
  detached = false;
  /** The other side offered video. */
  readonly offersVideo: boolean;

  private connection: RTCPeerConnection | undefined;
  private negotiation: Negotiation | undefined;
  private readonly hold = new Hold();
  // A refused candidate decides nothing; the connection's own state does.
  private readonly trickle = new Trickle((candidates) =>
    this.exchange.request("session-trickle", { session: this.session, candidates }).catch(() => undefined),
  );
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

  /** A call that came: the message that said so. */
  static from(message: Message, peer: Identity, account: string, exchange: Exchange): Call {
    const call = new Call(text(message, "session"), "in", account, peer, text(message, "sdp"), exchange);
    call.callId = text(message, "call_id");
    return call;
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
      this.trickle.introduce();
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
      this.trickle.introduce();
      await answered;
    });
  }

  /** Cancels, declines or hangs up, whichever the state means. */
  hangUp(words = this.ownWords()): void {
    if (this.over) return;
    const known = this.direction === "in" || this.trickle.introduced;
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
    if (this.over) return;
    if (text(message, "event") === "update") this.updated(message);
    if (text(message, "event") !== "state") return;
    this.callId = text(message, "call_id") || this.callId;
    switch (text(message, "state")) {
      case "ringing":
        if (this.state === "calling") this.enter("ringing");
        break;
      case "early-media":
      case "accepted":
        void this.answered(text(message, "sdp"), text(message, "state") === "accepted");
        break;
      case "established":
        if (this.since === 0) this.since = Date.now();
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

  /** Puts the call on hold, or takes it back: nothing is sent or heard meanwhile. */
  setHeld(held: boolean): Promise<void> {
    const set = (to: boolean) => {
      this.held = to;
      if (to) this.hold.apply(this.connection!);
      else this.hold.lift();
    };
    const words = held ? "The call could not be put on hold" : "The call could not be resumed";
    return this.change(words, async () => set(held), async () => set(!held));
  }

  /** Sends the camera from now on, or no more. */
  setVideo(on: boolean): Promise<void> {
    const { connection, local } = this;
    if (connection === undefined || local === undefined) return Promise.resolve();
    this.cameraOff = false;
    const stop = () => stopCamera(connection, local);
    return on
      ? this.change("Video could not be added", () => startCamera(connection, local), stop)
      : this.change("The other side could not be told that video has ended", stop, async () => undefined);
  }

  /** The link is lost: a call with media of its own goes on. */
  detach(): void {
    this.detached = true;
    this.negotiation?.unlinked();
  }

  /**
   * Takes the call up on a new link, with new ways for its media if need be. "gone":
   * the exchange does not know it any more; "later": the link is lost again.
   */
  async retake(): Promise<Retaken> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.renegotiate(this.connection?.connectionState !== "connected");
        break;
      } catch (error) {
        if (this.over || error instanceof Unsent) return "later";
        const last = attempt === retakesMost;
        // Who refuses the offer, and not for now, knows the call.
        if (error instanceof NotUpdated && (last || !notNow.has(code(error.message)))) break;
        if (last || (error instanceof Refused && /^(Unknown session|Session )/.test(error.message))) return "gone";
      }
      await new Promise<void>((done) => browser.after(1_000, done));
    }
    this.detached = false;
    this.exchange.changed(this);
    return "taken";
  }

  /** Ends without a word: the call goes on as another. */
  supersede(): void {
    release(this.local);
    this.connection?.close();
    this.enter("ended");
  }

  // Patient, for the recovery of media.

  recoverable(): boolean {
    // Without a link, taking the call up seeks media again.
    return !this.over && this.state === "established" && !this.detached;
  }

  async restart(): Promise<void> {
    try {
      await this.renegotiate(true);
    } catch (error) {
      if (!(error instanceof Unsent)) throw error;
    }
  }

  lost(): void {
    this.hangUp("The media connection was lost");
  }

  // Party, for the negotiation.

  update(sdp: string): Promise<void> {
    return this.exchange.request("session-update", { session: this.session, sdp });
  }

  answering(): void {
    if (this.held) this.hold.apply(this.connection!);
  }

  described(sdp: string, kind: "offer" | "answer"): void {
    // The answer to our own hold says nothing of the other side's.
    if (kind === "offer" || !this.held) this.heldByOther = holds(sdp);
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

  /** Changes the connection and offers that; undone if it does not come about. */
  private async change(words: string, make: () => Promise<void>, undo: () => Promise<void>): Promise<void> {
    if (this.state !== "established" || this.changing || this.connection === undefined) return;
    this.changing = true;
    this.note = "";
    this.exchange.changed(this);
    try {
      await make();
      await this.renegotiate(false);
    } catch {
      if (this.over) return;
      await undo();
      this.note = words;
    } finally {
      this.changing = false;
      this.exchange.changed(this);
    }
  }

  private async renegotiate(restart: boolean): Promise<void> {
    const { negotiation } = this;
    if (negotiation === undefined) throw new Unsent();
    if (restart) await this.trickle.through(() => negotiation.offer({ iceRestart: true }));
    else await negotiation.offer();
  }

  private updated(message: Message): void {
    const { negotiation } = this;
    switch (text(message, "state")) {
      case "received":
        negotiation?.received(text(message, "sdp"));
        break;
      case "accepted":
        negotiation?.accepted(text(message, "sdp"));
        break;
      case "failed":
        negotiation?.failed(text(message, "reason"));
        break;
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
    this.negotiation = new Negotiation(connection, this);
    const remote = new MediaStream();
    this.remote = remote;
    connection.ontrack = ({ track }) => {
      remote.addTrack(track);
      // A picture that is not sent any more is not shown any more.
      track.onmute = track.onunmute = () => this.exchange.changed(this);
      this.exchange.changed(this);
    };
    connection.onicecandidate = ({ candidate }) => this.over || this.trickle.found(candidate);
    const recovery = new Recovery(connection, this);
    connection.onconnectionstatechange = () => this.transport(connection.connectionState, recovery);
    if (offer !== undefined) await connection.setRemoteDescription({ type: "offer", sdp: offer });
    send(connection, local);
    this.exchange.changed(this);
    return connection;
  }

  private async answered(sdp: string, final: boolean): Promise<void> {
    const connection = this.connection;
    if (connection === undefined) return;
    this.early = !final;
    if (final) this.enter("connecting");
    else this.exchange.changed(this);
    if (this.direction === "in" || sdp === "" || connection.signalingState === "stable") return;
    try {
      await connection.setRemoteDescription({ type: "answer", sdp });
    } catch {
      this.hangUp("The answer could not be used");
    }
  }

  private transport(state: RTCPeerConnectionState, recovery: Recovery): void {
    if (this.over) return;
    if (state === "failed" && this.state !== "established") {
      this.lost();
      return;
    }
    this.mediaNote = state === "disconnected" || state === "failed" ? "The media connection is interrupted" : "";
    recovery.moved();
    this.exchange.changed(this);
  }

  /** What there is to say beside the state. */
  get remark(): string {
    return this.mediaNote || this.note || this.between;
  }

  /** What the two sides have agreed on, if that is less than a user expects. */
  private get between(): string {
    if (this.state !== "established") return "";
    if (this.held) return "On hold";
    if (this.heldByOther) return "The other side has put the call on hold";
    const mute = this.connection !== undefined && this.hasCamera && !this.changing && unseen(this.connection);
    return mute ? "The other side does not take your video" : "";
  }

  private ownWords(): string {
    if (this.state === "incoming") return "Declined";
    return this.state === "established" ? "You hung up" : "Cancelled";
  }

  private wordsFor(reason: string): string {
    const status = code(reason);
    if (status === 487 && this.direction === "in") return "Ended before you answered";
    if (/transferred/i.test(reason)) return "The call goes on at another device";
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
