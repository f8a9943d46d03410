import type { GssApi, GssInitiator, GssRequest, GssStep } from "../../../src/auth/gssapi.ts";

/** A GSSAPI whose tokens are words: the initiator says `hello`, and is content with `proof`. */
export class FakeGssApi implements GssApi {
  readonly requests: GssRequest[] = [];
  readonly initiators: FakeInitiator[] = [];
  /** Set to make the KDC fall silent: steps wait for it. */
  silence: Promise<void> | undefined;

  async initiate(request: GssRequest): Promise<GssInitiator> {
    this.requests.push(request);
    const initiator = new FakeInitiator(this);
    this.initiators.push(initiator);
    return initiator;
  }

  get open(): number {
    return this.initiators.filter(({ closed }) => !closed).length;
  }
}

export class FakeInitiator implements GssInitiator {
  readonly #api: FakeGssApi;
  closed = false;

  constructor(api: FakeGssApi) {
    this.#api = api;
  }

  async step(token: Uint8Array): Promise<GssStep> {
    await this.#api.silence;
    const word = Buffer.from(token).toString();
    if (word === "") return { token: Buffer.from("hello"), complete: false, lifetime: 600 };
    if (word === "proof") return { token: new Uint8Array(0), complete: true, lifetime: 500 };
    if (word === "more") return { token: Buffer.from("again"), complete: false, lifetime: undefined };
    if (word === "proof, but answer")
      return { token: Buffer.from("last"), complete: true, lifetime: undefined };
    throw new Error(`unexpected word ${word}`);
  }

  sessionKey(): Uint8Array {
    return new Uint8Array(32).fill(0xd7);
  }

  getMic(message: Uint8Array): Uint8Array {
    return Uint8Array.of(0x6d, message.length);
  }

  verifyMic(message: Uint8Array, mic: Uint8Array): boolean {
    return mic[0] === 0x6d && mic[1] === message.length;
  }

  close(): void {
    this.closed = true;
  }
}
