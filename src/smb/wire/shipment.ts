import type { PendingRequest, SharedFrame } from "./request.ts";

export type Transmit = (requests: readonly PendingRequest[], firstMessageId: bigint) => void;

/** Requests that leave in one frame, as the credit account sees them: paid for together, or waiting together. */
export class Shipment implements SharedFrame {
  readonly requests: readonly PendingRequest[];
  readonly charge: number;
  readonly #transmit: Transmit;

  constructor(requests: readonly PendingRequest[], charge: number, transmit: Transmit) {
    this.requests = requests;
    this.charge = charge;
    this.#transmit = transmit;
    for (const request of requests) request.shipment = this;
  }

  get messages(): number {
    return this.requests.length;
  }

  send(firstMessageId: bigint): void {
    for (const request of this.requests) request.shipment = undefined;
    this.#transmit(this.requests, firstMessageId);
  }
}
