import { Smb2NatsError } from "../base/errors.ts";

/** An AEAD tag did not verify: nothing of the message may be believed. Code `SMB_BAD_TAG`. */
export class SealError extends Smb2NatsError {
  constructor(cipher: string, bytes: number) {
    super("SMB_BAD_TAG", "malformed", `${cipher}: the tag of a ${bytes}-byte message does not verify`, {
      retryable: true,
    });
  }
}

/** A nonce would repeat under one key (MS-SMB2 3.1.4.3). Code `SMB_NONCE_EXHAUSTED`; reconnect for new keys. */
export class NonceExhaustedError extends Smb2NatsError {
  constructor() {
    super("SMB_NONCE_EXHAUSTED", "never-sent", "every nonce of this encryption key has been used", {
      retryable: true,
    });
  }
}

/** A key, nonce or dialect that the algorithm does not take. Code `CRYPTO_MISUSE`. Never quotes the value. */
export class CryptoMisuseError extends Smb2NatsError {
  constructor(message: string) {
    super("CRYPTO_MISUSE", "misuse", message);
  }
}

/** Throws `CryptoMisuseError` unless `bytes` has the one length the algorithm takes. */
export function requireLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) {
    throw new CryptoMisuseError(`${what} takes ${length} bytes, not ${bytes.length}`);
  }
}
