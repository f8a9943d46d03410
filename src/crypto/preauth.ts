import { createHash } from "node:crypto";

/**
 * PreauthIntegrityHashValue of SMB 3.1.1 (MS-SMB2 3.2.5.2 and 3.2.5.3): H = SHA-512(H | message), over
 * complete messages without the transport's length. Immutable, so that a session can branch from its
 * connection's value.
 */
export class PreauthHash {
  /** 64 zero bytes, before the NEGOTIATE request. */
  static readonly initial: PreauthHash = new PreauthHash(new Uint8Array(64));
  readonly #value: Uint8Array;

  private constructor(value: Uint8Array) {
    this.#value = value;
  }

  /** The hash after one more message. */
  update(message: Uint8Array): PreauthHash {
    return new PreauthHash(createHash("sha512").update(this.#value).update(message).digest());
  }

  /** A copy of the 64 bytes. */
  get value(): Uint8Array {
    return new Uint8Array(this.#value);
  }
}
