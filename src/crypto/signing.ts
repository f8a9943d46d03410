import { createCipheriv, createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto";
import { AesCmac } from "./cmac.ts";
import { requireLength } from "./errors.ts";
import { plain } from "./plain.ts";

export type SigningAlgorithm = "hmac-sha256" | "aes-cmac" | "aes-gmac";

/** SigningAlgorithms of SMB2_SIGNING_CAPABILITIES (MS-SMB2 2.2.3.1.7). */
export const SIGNING_ALGORITHM_IDS: { readonly [algorithm in SigningAlgorithm]: number } = {
  "hmac-sha256": 0,
  "aes-cmac": 1,
  "aes-gmac": 2,
};

/** The algorithm of a wire id, or `undefined` for an id we do not know. */
export function signingAlgorithmFromId(id: number): SigningAlgorithm | undefined {
  return (["hmac-sha256", "aes-cmac", "aes-gmac"] as const)[id];
}

/** The algorithm where none was negotiated: HMAC-SHA256 below 3.0, AES-CMAC from there on (MS-SMB2 3.1.4.1). */
export function defaultSigningAlgorithm(dialect: number): SigningAlgorithm {
  return dialect < 0x0300 ? "hmac-sha256" : "aes-cmac";
}

/** Computes the Signature field of messages under one key. */
export interface Signer {
  readonly algorithm: SigningAlgorithm;
  /**
   * The 16-byte signature.
   * @param message header with SMB2_FLAGS_SIGNED set and Signature zeroed, up to the end of this message,
   *   padding of a compound included. Not changed.
   * @param nonce 12 bytes from `gmacNonce`; only AES-GMAC looks at it.
   */
  compute(message: Uint8Array, nonce: Uint8Array): Uint8Array;
}

/**
 * A signer with its own hold on the 16-byte key, which the caller may wipe afterwards.
 * @throws CryptoMisuseError for a key of another length
 */
export function createSigner(algorithm: SigningAlgorithm, key: Uint8Array): Signer {
  requireLength(algorithm, key, 16);
  switch (algorithm) {
    case "hmac-sha256":
      return new HmacSigner(key);
    case "aes-cmac":
      return new CmacSigner(key);
    case "aes-gmac":
      return new GmacSigner(key);
  }
}

class HmacSigner implements Signer {
  readonly algorithm = "hmac-sha256";
  readonly #key: KeyObject;
  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }
  compute(message: Uint8Array): Uint8Array {
    return plain(createHmac("sha256", this.#key).update(message).digest().subarray(0, 16));
  }
}

class CmacSigner implements Signer {
  readonly algorithm = "aes-cmac";
  readonly #cmac: AesCmac;
  constructor(key: Uint8Array) {
    this.#cmac = new AesCmac(key);
  }
  compute(message: Uint8Array): Uint8Array {
    return this.#cmac.compute(message);
  }
}

class GmacSigner implements Signer {
  readonly algorithm = "aes-gmac";
  readonly #key: KeyObject;
  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }
  compute(message: Uint8Array, nonce: Uint8Array): Uint8Array {
    requireLength("the AES-GMAC nonce", nonce, 12);
    const gcm = createCipheriv("aes-128-gcm", this.#key, nonce);
    gcm.setAAD(message);
    gcm.final();
    // Kept with each request that waits: a copy of 16 bytes lies in the heap, the original in memory of its own.
    return plain(gcm.getAuthTag()).slice();
  }
}

/** Who sends the message that a GMAC nonce is for. */
export interface NonceSubject {
  readonly fromServer: boolean;
  /** Whether Command is SMB2 CANCEL, which repeats the MessageId of the request it cancels. */
  readonly cancel: boolean;
}

/** The 12-byte nonce of AES-GMAC (MS-SMB2 3.1.4.1): MessageId, then the role and CANCEL bits. */
export function gmacNonce(messageId: bigint, subject: NonceSubject): Uint8Array {
  const nonce = new Uint8Array(12);
  let low = Number(messageId & 0xffff_ffffn);
  let high = Number(messageId >> 32n);
  for (let at = 0; at < 4; at++) {
    nonce[at] = low & 0xff;
    nonce[at + 4] = high & 0xff;
    low >>>= 8;
    high >>>= 8;
  }
  nonce[8] = (subject.fromServer ? 1 : 0) | (subject.cancel ? 2 : 0);
  return nonce;
}

/** Compares in a time that does not depend on where the tags differ. */
export function equalTags(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
