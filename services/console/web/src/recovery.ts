// Media that is lost in a call: it is sought again, with new ways (an ICE
// restart), before the call is given up.

import { browser } from "./sylk";

// Media that is interrupted this long is sought again.
const patience = 3_000;
// How often it is sought again before it counts as lost.
const most = 2;

/** What a recovery needs of its call. */
export interface Patient {
  /** Media could be sought again: the call is established and the exchange can be told. */
  recoverable(): boolean;
  /** Offers new ways; rejects if that does not come about. */
  restart(): Promise<void>;
  /** Media is lost. */
  lost(): void;
}

export class Recovery {
  private timer: number | undefined;
  private tries = 0;

  constructor(
    private readonly connection: RTCPeerConnection,
    private readonly patient: Patient,
  ) {}

  /** The connection's state has changed. */
  moved(): void {
    const state = this.connection.connectionState;
    if (state === "connected") this.tries = 0;
    if (state === "disconnected") this.soon(patience);
    if (state !== "failed") return;
    if (this.tries >= most) this.patient.lost();
    else this.soon(0);
  }

  private soon(wait: number): void {
    if (this.timer !== undefined) browser.cancel(this.timer);
    this.timer = browser.after(wait, () => {
      this.timer = undefined;
      const state = this.connection.connectionState;
      if ((state !== "failed" && state !== "disconnected") || !this.patient.recoverable()) return;
      this.tries++;
      this.patient.restart().catch(() => this.patient.lost());
    });
  }
}
