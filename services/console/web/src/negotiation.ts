// Offers and answers inside a call, one exchange at a time. Where an offer of
// ours crosses one of the exchange's, ours is served and the exchange sends its
// own again: what crossed is only answered if ours is refused.

import { Refused, Unsent } from "./sylk";

/** What a negotiation needs of its call. */
export interface Party {
  /** Sends a session-update; resolves at its ack. */
  update(sdp: string): Promise<void>;
  /** An offer was applied; its answer is made next, of the directions that are then set. */
  answering(): void;
  /** The other side's description is in force. */
  described(sdp: string, kind: "offer" | "answer"): void;
}

/** An update that the exchange has refused, with its reason. */
export class NotUpdated extends Error {}

interface Waiting {
  done(sdp: string): void;
  failed(error: Error): void;
}

export class Negotiation {
  private turn: Promise<unknown> = Promise.resolve();
  /** Our offer that is on its way. */
  private waiting: Waiting | undefined;
  /** The exchange's offer that was not taken yet. */
  private offered: string | undefined;

  constructor(
    private readonly connection: RTCPeerConnection,
    private readonly party: Party,
  ) {}

  /**
   * Offers what the connection is now. Rejects with NotUpdated, Refused or Unsent
   * if that does not come about; what was negotiated before then stands.
   */
  offer(options: RTCOfferOptions = {}): Promise<void> {
    return this.inTurn(async () => {
      const { connection } = this;
      await connection.setLocalDescription(await connection.createOffer(options));
      try {
        const sdp = await this.ask(connection.localDescription?.sdp ?? "");
        await connection.setRemoteDescription({ type: "answer", sdp });
        this.party.described(sdp, "answer");
      } catch (error) {
        if (connection.signalingState === "have-local-offer") await connection.setLocalDescription({ type: "rollback" });
        throw error;
      }
    });
  }

  /** The exchange offers. */
  received(sdp: string): void {
    this.offered = sdp;
    if (this.waiting === undefined) void this.answer();
  }

  /** The exchange has answered. */
  accepted(sdp: string): void {
    // What crossed our offer was withdrawn for it.
    this.offered = undefined;
    this.settle()?.done(sdp);
  }

  /** The exchange has refused our offer, or withdrawn its own. */
  failed(reason: string): void {
    const { waiting } = this;
    if (waiting === undefined) this.offered = undefined;
    else this.refused(new NotUpdated(reason));
  }

  /** The link is lost, and with it whatever was under way. */
  unlinked(): void {
    this.offered = undefined;
    this.settle()?.failed(new Unsent());
  }

  private ask(sdp: string): Promise<string> {
    return new Promise((done, failed) => {
      this.waiting = { done, failed };
      this.party.update(sdp).catch((error: Error) => {
        if (error instanceof Unsent) this.unlinked();
        else this.refused(error);
      });
    });
  }

  /** Our offer came to nothing, so the one that crossed it still stands. */
  private refused(error: Error): void {
    this.settle()?.failed(error);
    if (this.offered !== undefined) void this.answer();
  }

  private settle(): Waiting | undefined {
    const { waiting } = this;
    this.waiting = undefined;
    return waiting;
  }

  /** Takes the exchange's offer, unless ours was served meanwhile. */
  private async answer(): Promise<void> {
    try {
      await this.inTurn(() => this.take());
    } catch (error) {
      // An answer that nobody waits for any more has changed this side alone: what
      // both sides are is settled by another exchange.
      if (error instanceof Refused) this.offer().catch(() => undefined);
    }
  }

  private async take(): Promise<void> {
    const { connection, offered } = this;
    if (offered === undefined || connection.signalingState === "closed") return;
    this.offered = undefined;
    await connection.setRemoteDescription({ type: "offer", sdp: offered });
    this.party.answering();
    const answer = await connection.createAnswer();
    await connection.setLocalDescription(answer);
    this.party.described(offered, "offer");
    await this.party.update(connection.localDescription?.sdp ?? answer.sdp ?? "");
  }

  private inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.turn.then(run);
    this.turn = result.catch(() => undefined);
    return result;
  }
}
