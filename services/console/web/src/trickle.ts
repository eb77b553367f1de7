// The candidates of one call's peer connection, on their way to the exchange.

/** Passes candidates on, but for as long as the exchange could not use them. */
export class Trickle {
  private known = false;
  private restarting = false;
  private waiting: RTCIceCandidateInit[][] = [];

  /** send passes one batch on; an empty one is the end of candidates. */
  constructor(private readonly send: (candidates: RTCIceCandidateInit[]) => void) {}

  /** The exchange was told of the session: candidates may follow. */
  get introduced(): boolean {
    return this.known;
  }

  introduce(): void {
    this.known = true;
    this.flush();
  }

  /** Runs an exchange with new credentials; candidates of them that come before its end would be lost. */
  async through(restart: () => Promise<void>): Promise<void> {
    this.restarting = true;
    try {
      await restart();
    } finally {
      this.restarting = false;
      this.flush();
    }
  }

  /** A candidate was found; null is their end. */
  found(candidate: RTCIceCandidate | null): void {
    if (candidate?.candidate === "") return;
    const batch: RTCIceCandidateInit[] = [];
    if (candidate !== null) {
      const { sdpMLineIndex, sdpMid } = candidate;
      batch.push({ candidate: candidate.candidate, sdpMLineIndex: sdpMLineIndex ?? 0, sdpMid: sdpMid ?? "" });
    }
    this.waiting.push(batch);
    this.flush();
  }

  private flush(): void {
    if (!this.known || this.restarting) return;
    const waiting = this.waiting;
    this.waiting = [];
    for (const batch of waiting) this.send(batch);
  }
}
