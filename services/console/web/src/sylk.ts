// The signalling link: one WebSocket that speaks sylkRTC-2, numbers its
// requests, keeps itself alive and comes back after a loss. It knows nothing
// of accounts and calls.

import { type Message, parse, text } from "./wire";

/** How the link stands. */
export type LinkState = "closed" | "connecting" | "open" | "waiting";

/** What a link tells its owner. */
export interface Listener {
  /** The state changed; a waiting link tries again in retrySeconds. */
  link(state: LinkState, retrySeconds: number): void;
  /** An event came; replies do not come here. */
  event(message: Message): void;
}

/** The parts of a browser that a link uses. */
export interface Env {
  socket(url: string, protocol: string): WebSocket;
  after(ms: number, run: () => void): number;
  cancel(timer: number): void;
}

/** A request that the exchange refused, with the exchange's words. */
export class Refused extends Error {}

/** A request that can have no answer because the link is gone. */
export class Unsent extends Error {
  constructor() {
    super("No connection to the exchange");
  }
}

const protocol = "sylkRTC-2";
const pingEvery = 5_000;
const pingsUnanswered = 3;
const readyWithin = 10_000;
const backoff = [1, 2, 4, 8, 16];
// Private use (RFC 6455 section 7.4.2). Closing without a status would tell the
// exchange that the user has left, and end the calls.
const givenUp = 4000;

/** Seconds to wait before the next attempt after a number of failed ones. */
export function retryAfter(failures: number): number {
  return backoff[Math.min(failures, backoff.length - 1)]!;
}

export const browser: Env = {
  socket: (url, name) => new WebSocket(url, name),
  after: (ms, run) => window.setTimeout(run, ms),
  cancel: (timer) => window.clearTimeout(timer),
};

interface Waiting {
  done(): void;
  failed(error: Error): void;
}

/** A link to one exchange. open() it once; it reconnects until close(). */
export class Link {
  private socket: WebSocket | undefined;
  private state: LinkState = "closed";
  private failures = 0;
  private timer: number | undefined;
  private next = 1;
  private pings = 0;
  private readonly waiting = new Map<string, Waiting>();

  constructor(
    private readonly url: string,
    private readonly listener: Listener,
    private readonly env: Env = browser,
  ) {}

  /** Connects, or tries again at once while waiting. */
  open(): void {
    if (this.state === "connecting" || this.state === "open") return;
    this.connect();
  }

  /** Disconnects for good; requests without an answer fail. */
  close(): void {
    this.drop();
    this.failures = 0;
    this.enter("closed", 0);
  }

  /**
   * Sends a request. Resolves at its ack; rejects with Refused at its error
   * reply, with Unsent if the link is not open or is lost before.
   */
  request(kind: string, fields: Message = {}): Promise<void> {
    const socket = this.socket;
    if (this.state !== "open" || socket === undefined) return Promise.reject(new Unsent());
    const transaction = String(this.next++);
    return new Promise((done, failed) => {
      this.waiting.set(transaction, { done, failed });
      socket.send(JSON.stringify({ sylkrtc: kind, transaction, ...fields }));
    });
  }

  private connect(): void {
    this.drop();
    this.enter("connecting", 0);
    let socket: WebSocket;
    try {
      socket = this.env.socket(this.url, protocol);
    } catch {
      this.lost();
      return;
    }
    this.socket = socket;
    // Only the current socket may speak: one that was given up closes late.
    const current = (run: () => void) => () => {
      if (this.socket === socket) run();
    };
    socket.onmessage = (frame) => current(() => this.receive(frame.data))();
    socket.onclose = current(() => this.lost());
    this.timer = this.env.after(readyWithin, () => this.lost());
  }

  private receive(frame: unknown): void {
    const message = parse(frame);
    if (message === undefined) return;
    const kind = text(message, "sylkrtc");
    if (kind === "ready-event") {
      if (this.state === "connecting") this.ready();
    } else if (kind === "ack" || kind === "error") {
      this.reply(message, kind === "error");
    } else {
      this.listener.event(message);
    }
  }

  private ready(): void {
    this.failures = 0;
    this.pings = 0;
    this.stopTimer();
    this.schedulePing();
    this.enter("open", 0);
  }

  private reply(message: Message, refused: boolean): void {
    const transaction = text(message, "transaction");
    const request = this.waiting.get(transaction);
    this.waiting.delete(transaction);
    if (refused) request?.failed(new Refused(text(message, "error") || "Refused"));
    else request?.done();
  }

  private schedulePing(): void {
    this.timer = this.env.after(pingEvery, () => {
      if (this.pings >= pingsUnanswered) {
        this.lost();
        return;
      }
      this.pings++;
      const answered = () => {
        this.pings = 0;
      };
      this.request("ping").then(answered, (error) => error instanceof Refused && answered());
      this.schedulePing();
    });
  }

  private lost(): void {
    this.drop(givenUp);
    const seconds = retryAfter(this.failures++);
    this.timer = this.env.after(seconds * 1000, () => this.connect());
    this.enter("waiting", seconds);
  }

  private drop(status?: number): void {
    this.stopTimer();
    const socket = this.socket;
    this.socket = undefined;
    socket?.close(status);
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const request of waiting) request.failed(new Unsent());
  }

  private stopTimer(): void {
    if (this.timer !== undefined) this.env.cancel(this.timer);
    this.timer = undefined;
  }

  private enter(state: LinkState, retrySeconds: number): void {
    this.state = state;
    this.listener.link(state, retrySeconds);
  }
}
