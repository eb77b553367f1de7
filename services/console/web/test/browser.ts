// A browser without sound or network: captures and connections that succeed, and
// do as they are told.

import { Clock, Socket } from "./fakes";

export class Track {
  enabled = true;
  muted = false;
  stopped = false;
  readyState = "live";

  constructor(readonly kind: string) {}

  stop(): void {
    this.stopped = true;
  }
}

export class Stream {
  constructor(public tracks: Track[] = []) {}

  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks.filter((t) => t.kind === "audio");
  getVideoTracks = () => this.tracks.filter((t) => t.kind === "video");
  addTrack(track: Track): void {
    this.tracks.push(track);
  }
  removeTrack(track: Track): void {
    this.tracks = this.tracks.filter((t) => t !== track);
  }
}

export class Line {
  currentDirection: string | null = null;
  readonly sender;
  readonly receiver;

  constructor(
    kind: string,
    track: Track | null,
    public direction: string,
  ) {
    const sender = {
      track,
      replaceTrack: async (other: Track | null) => void (sender.track = other),
    };
    this.sender = sender;
    this.receiver = { track: new Track(kind) };
  }
}

/** Counts its offers and answers: "offer 1 audio:sendrecv". */
export class Connection {
  signalingState = "stable";
  connectionState = "new";
  localDescription: { type: string; sdp: string } | null = null;
  closed = false;
  /** What was done to it, in order. */
  readonly done: string[] = [];
  readonly lines: Line[] = [];
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  ontrack = null;
  private offers = 0;

  constructor() {
    browser.connections.push(this);
  }

  getTransceivers = () => this.lines;
  getSenders = () => this.lines.map((line) => line.sender);
  addTrack(track: Track): void {
    this.lines.push(new Line(track.kind, track, "sendrecv"));
  }
  async createOffer(options?: { iceRestart?: boolean }) {
    const lines = this.lines.map((line) => ` ${line.receiver.track.kind}:${line.direction}`).join("");
    return { type: "offer", sdp: `offer ${++this.offers}${options?.iceRestart ? " restart" : ""}${lines}` };
  }
  async createAnswer() {
    return { type: "answer", sdp: `answer${this.lines.map((line) => ` ${line.receiver.track.kind}:${line.direction}`).join("")}` };
  }
  async setLocalDescription(d: { type: string; sdp: string }) {
    this.done.push(`local ${d.type}`);
    this.signalingState = d.type === "offer" ? "have-local-offer" : "stable";
    if (d.type !== "rollback") this.localDescription = d;
  }
  async setRemoteDescription(d: { type: string; sdp: string }) {
    if (d.type === "answer" && this.signalingState !== "have-local-offer") throw new Error("an answer to nothing");
    this.done.push(`remote ${d.sdp}`);
    this.signalingState = d.type === "offer" ? "have-remote-offer" : "stable";
  }
  close() {
    this.closed = true;
    this.signalingState = "closed";
  }

  /** The browser says that media has come to a state. */
  moves(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

export const clock = new Clock();

export const browser = {
  connections: [] as Connection[],
  stream: new Stream(),
  capture: (async () => undefined) as (wanted: { audio?: unknown; video?: unknown }) => Promise<unknown>,

  reset(): void {
    this.connections = [];
    this.stream = new Stream([new Track("audio")]);
    this.capture = async ({ audio, video }) => {
      if (!audio) return new Stream([new Track("video")]);
      this.stream = new Stream([new Track("audio"), ...(video ? [new Track("video")] : [])]);
      return this.stream;
    };
  },
};

Object.assign(globalThis, {
  window: { setTimeout: (run: () => void, ms: number) => clock.env.after(ms, run), clearTimeout: clock.env.cancel },
  WebSocket: Socket,
  RTCPeerConnection: Connection,
  MediaStream: Stream,
});
Object.defineProperty(globalThis, "navigator", {
  value: { mediaDevices: { getUserMedia: (wanted: object) => browser.capture(wanted) } },
});
