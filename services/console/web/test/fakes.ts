// Stand-ins for what a browser gives: a WebSocket and a clock, both driven by
// the test.

import type { Env } from "../src/sylk";

export type Frame = Record<string, any>;

export class Socket {
  static readonly all: Socket[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly sent: Frame[] = [];
  closed = false;
  /** What close was called with. */
  status: number | undefined;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    Socket.all.push(this);
  }

  send(frame: string): void {
    this.sent.push(JSON.parse(frame) as Frame);
  }

  close(status?: number): void {
    this.closed = true;
    this.status = status;
  }

  /** The exchange says something. */
  says(message: unknown): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  /** The exchange acknowledges the last request of a kind and returns it. */
  acks(kind: string): Frame {
    const request = this.last(kind);
    this.says({ sylkrtc: "ack", transaction: request["transaction"] });
    return request;
  }

  /** The exchange refuses the last request of a kind. */
  refuses(kind: string, error: string): void {
    this.says({ sylkrtc: "error", transaction: this.last(kind)["transaction"], error });
  }

  last(kind: string): Frame {
    const found = this.sent.filter((frame) => frame["sylkrtc"] === kind).at(-1);
    if (found === undefined) throw new Error(`no ${kind} among ${JSON.stringify(this.sent)}`);
    return found;
  }

  count(kind: string): number {
    return this.sent.filter((frame) => frame["sylkrtc"] === kind).length;
  }

  static get latest(): Socket {
    return Socket.all.at(-1)!;
  }
}

/** A clock that moves only when told to. */
export class Clock {
  now = 0;
  private next = 1;
  private readonly timers = new Map<number, { at: number; run: () => void }>();

  readonly env: Env = {
    socket: (url, protocol) => new Socket(url, protocol) as unknown as WebSocket,
    after: (ms, run) => {
      this.timers.set(this.next, { at: this.now + ms, run });
      return this.next++;
    },
    cancel: (timer) => void this.timers.delete(timer),
  };

  /** Runs whatever is due within some seconds, in order. */
  pass(seconds: number): void {
    const end = this.now + seconds * 1000;
    for (;;) {
      const due = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      this.timers.delete(due[0]);
      this.now = due[1].at;
      due[1].run();
    }
    this.now = end;
  }
}

/** Lets everything that is already resolved run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
