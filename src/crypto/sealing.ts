import {
  type CipherCCMTypes,
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject,
} from "node:crypto";
import { CryptoMisuseError, NonceExhaustedError, requireLength, SealError } from "./errors.ts";
import { plain } from "./plain.ts";
import { wipe } from "./wipe.ts";

export type CipherId = "aes-128-ccm" | "aes-128-gcm" | "aes-256-ccm" | "aes-256-gcm";

/** Ciphers of SMB2_ENCRYPTION_CAPABILITIES (MS-SMB2 2.2.3.1.2). */
export const CIPHER_IDS: { readonly [cipher in CipherId]: number } = {
  "aes-128-ccm": 1,
  "aes-128-gcm": 2,
  "aes-256-ccm": 3,
  "aes-256-gcm": 4,
};

const TAG_LENGTH = 16;

/** The cipher of a wire id, or `undefined` for an id we do not know. */
export function cipherFromId(id: number): CipherId | undefined {
  return (["aes-128-ccm", "aes-128-gcm", "aes-256-ccm", "aes-256-gcm"] as const)[id - 1];
}

/** 16 or 32 bytes. */
export function cipherKeyLength(cipher: CipherId): 16 | 32 {
  return cipher === "aes-128-ccm" || cipher === "aes-128-gcm" ? 16 : 32;
}

export interface Sealed {
  /** As long as the plaintext. */
  readonly ciphertext: Uint8Array;
  /** 16 bytes: the Signature field of the transform header. */
  readonly tag: Uint8Array;
}

/** Encrypts or decrypts transformed messages of one direction under one key (MS-SMB2 3.1.4.3). */
export interface Sealer {
  readonly cipher: CipherId;
  /** Bytes of the 16-byte Nonce field that the cipher uses; the rest stays zero. */
  readonly nonceLength: 11 | 12;
  /**
   * @param nonce exactly `nonceLength` bytes, never used before under this key
   * @param aad the transform header from Nonce to its end
   */
  seal(plaintext: Uint8Array, nonce: Uint8Array, aad: Uint8Array): Sealed;
  /** @throws SealError (`SMB_BAD_TAG`) when the tag does not verify; no plaintext leaves then. */
  open(ciphertext: Uint8Array, nonce: Uint8Array, aad: Uint8Array, tag: Uint8Array): Uint8Array;
}

/**
 * A sealer with its own hold on the key, which the caller may wipe afterwards.
 * @throws CryptoMisuseError for a key of another length than `cipherKeyLength(cipher)`
 */
export function createSealer(cipher: CipherId, key: Uint8Array): Sealer {
  requireLength(cipher, key, cipherKeyLength(cipher));
  switch (cipher) {
    case "aes-128-ccm":
    case "aes-256-ccm":
      return new CcmSealer(cipher, key);
    case "aes-128-gcm":
    case "aes-256-gcm":
      return new GcmSealer(cipher, key);
  }
}

class CcmSealer implements Sealer {
  readonly cipher: CipherId & CipherCCMTypes;
  readonly nonceLength = 11;
  readonly #key: KeyObject;

  constructor(cipher: CipherId & CipherCCMTypes, key: Uint8Array) {
    this.cipher = cipher;
    this.#key = createSecretKey(key);
  }

  seal(plaintext: Uint8Array, nonce: Uint8Array, aad: Uint8Array): Sealed {
    requireLength(`the ${this.cipher} nonce`, nonce, this.nonceLength);
    const ccm = createCipheriv(this.cipher, this.#key, nonce, { authTagLength: TAG_LENGTH });
    ccm.setAAD(aad, { plaintextLength: plaintext.length });
    const ciphertext = ccm.update(plaintext);
    ccm.final();
    return { ciphertext: plain(ciphertext), tag: plain(ccm.getAuthTag()) };
  }

  open(ciphertext: Uint8Array, nonce: Uint8Array, aad: Uint8Array, tag: Uint8Array): Uint8Array {
    requireLength(`the ${this.cipher} nonce`, nonce, this.nonceLength);
    requireLength(`the ${this.cipher} tag`, tag, TAG_LENGTH);
    const ccm = createDecipheriv(this.cipher, this.#key, nonce, { authTagLength: TAG_LENGTH });
    ccm.setAuthTag(tag);
    ccm.setAAD(aad, { plaintextLength: ciphertext.length });
    return verified(ccm, ciphertext, this.cipher);
  }
}

class GcmSealer implements Sealer {
  readonly cipher: CipherId & CipherGCMTypes;
  readonly nonceLength = 12;
  readonly #key: KeyObject;

  constructor(cipher: CipherId & CipherGCMTypes, key: Uint8Array) {
    this.cipher = cipher;
    this.#key = createSecretKey(key);
  }

  seal(plaintext: Uint8Array, nonce: Uint8Array, aad: Uint8Array): Sealed {
    requireLength(`the ${this.cipher} nonce`, nonce, this.nonceLength);
    const gcm = createCipheriv(this.cipher, this.#key, nonce, { authTagLength: TAG_LENGTH });
    gcm.setAAD(aad);
    const ciphertext = gcm.update(plaintext);
    gcm.final();
    return { ciphertext: plain(ciphertext), tag: plain(gcm.getAuthTag()) };
  }

  open(ciphertext: Uint8Array, nonce: Uint8Array, aad: Uint8Array, tag: Uint8Array): Uint8Array {
    requireLength(`the ${this.cipher} nonce`, nonce, this.nonceLength);
    requireLength(`the ${this.cipher} tag`, tag, TAG_LENGTH);
    const gcm = createDecipheriv(this.cipher, this.#key, nonce, { authTagLength: TAG_LENGTH });
    gcm.setAuthTag(tag);
    gcm.setAAD(aad);
    return verified(gcm, ciphertext, this.cipher);
  }
}

/** GCM hands plaintext out of `update` before the tag is checked: only `final` says whether it may be seen. */
function verified(
  decipher: { update(data: Uint8Array): Uint8Array; final(): Uint8Array },
  ciphertext: Uint8Array,
  cipher: CipherId,
): Uint8Array {
  const plaintext = decipher.update(ciphertext);
  try {
    decipher.final();
  } catch {
    wipe(plaintext);
    throw new SealError(cipher, ciphertext.length);
  }
  return plain(plaintext);
}

const COUNTER_END = 2n ** 64n;

/**
 * Nonces of one direction under one key: a 64-bit little-endian counter from 1, then zeros.
 * Keys differ by session and direction, so the counter alone makes each nonce unique.
 */
export class NonceCounter {
  readonly #length: 11 | 12;
  #next: bigint;

  /** @param start first counter value, for tests of the end. */
  constructor(length: 11 | 12, start = 1n) {
    if (start < 1n || start > COUNTER_END)
      throw new CryptoMisuseError("a nonce counter starts within 64 bits");
    this.#length = length;
    this.#next = start;
  }

  /** @throws NonceExhaustedError instead of wrapping around. */
  next(): Uint8Array {
    if (this.#next >= COUNTER_END) throw new NonceExhaustedError();
    const nonce = new Uint8Array(this.#length);
    new DataView(nonce.buffer).setBigUint64(0, this.#next, true);
    this.#next += 1n;
    return nonce;
  }
}
